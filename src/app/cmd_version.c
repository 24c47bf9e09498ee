/* zhiliu version: what this program is and what it stands on, for a bug report. */
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "source/source.h"
#include "version.h"

int cmd_version(const struct args *args)
{
    if (args_on(args, "commands")) {
        commands_print_reference(stdout);
        return 0;
    }
    const char *compiler = __VERSION__;
    if (strcmp(args_text(args, "format"), "json") == 0)
        printf("{\"version\":\"%s\",\"librdkafka\":\"%s\",\"compiler\":\"%s\"}\n", ZL_VERSION,
               source_library_version(), compiler);
    else
        printf("zhiliu %s\nlibrdkafka %s\ncompiler %s\n", ZL_VERSION, source_library_version(),
               compiler);
    return 0;
}
