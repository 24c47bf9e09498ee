/* Redis begins an error with a name in capitals, but older servers wrap what a script ran into ("ERR Error running script ...
 * -OOM ..."), and some errors have no name at all. So the names are looked for anywhere in the text, the most telling first. */
#include "sink/trouble.h"

#include <stddef.h>
#include <string.h>

const char *sink_trouble_words(const char *error)
{
    static const struct {
        const char *name, *words;
    } known[] = {
        {"WRONGPASS", "the user name or password is wrong"},
        {"NOAUTH", "it asks for a password"},
        {"without any password", "it has no password, but one was given"},
        {"NOPERM", "the user lacks a right"},
        {"executing the script can't", "the user lacks a right"},
        {"READONLY", "it is a replica and takes no writes"},
        {"OOM", "its memory is full"},
        {"LOADING", "it is still loading its data"},
        {"MASTERDOWN", "its primary is away"},
        {"MISCONF", "it cannot save to disk and takes no writes"},
        {"BUSY", "a script keeps it busy"},
        {"max number of clients", "it has too many clients"},
        {"MOVED", "it is a node of a cluster and this key is elsewhere"},
        {"CLUSTERDOWN", "its cluster is down"},
        {"NOSCRIPT", "it forgot the script"},
        {"DB index", "it has no such database"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strstr(error, known[i].name))
            return known[i].words;
    return "it answers with an error";
}
