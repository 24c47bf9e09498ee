/* The door of the program; the verbs are in commands.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

/* `zhiliu inspect users | head`: whoever read stdout has what they wanted, so this is no failure. Of any other pipe or socket write()
 * says EPIPE, and the writer knows what to do. `run` and `simulate`, who have more to end than a page, ignore the signal and look for themselves. */
static void on_broken_pipe(int signo)
{
    (void)signo;
    int kept = errno;
    if (commands_reader_left())
        _exit(0);
    errno = kept;
}

int main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_broken_pipe, .sa_flags = SA_RESTART};
    hold_standard_descriptors();
    sigaction(SIGPIPE, &sa, NULL);
    return commands_main(argc, argv);
}
