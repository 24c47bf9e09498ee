/* The door of the program; the verbs are in commands.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "app/commands.h"

/* A standard descriptor that came closed would be taken by the first file or socket opened, and lists or log lines
 * would land in it. It is held by /dev/null, read only, so that writing to it still says that it cannot. */
static void hold_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) != fd)
            _exit(74);
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    return commands_main(argc, argv);
}
