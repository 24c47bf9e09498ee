/* The door of the program; the verbs are in commands.c. */
#include "app/commands.h"

int main(int argc, char **argv)
{
    return commands_main(argc, argv);
}
