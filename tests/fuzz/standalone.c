/* tests/fuzz/standalone.c - a fuzz target without a fuzzer.
 * Feeds every file named on the command line, and every file of a folder named there, to LLVMFuzzerTestOneInput. That
 * makes the corpus a plain test of every build; the libFuzzer build (preset fuzz) links its own main instead. Each input
 * is a heap block of exactly its size, so that the address sanitizer sees the first byte read past it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int n_files;

static int fail(const char *what, const char *path)
{
    fprintf(stderr, "standalone: cannot %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

static int feed_file(const char *path, size_t size)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return fail("open", path);
    uint8_t *data = malloc(size ? size : 1);
    int bad = !data || fread(data, 1, size, in) != size;
    if (bad)
        bad = fail("read", path);
    else
        LLVMFuzzerTestOneInput(data, size);
    n_files++;
    free(data);
    fclose(in);
    return bad;
}

static int feed(const char *path);

static int feed_folder(const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        return fail("list", path);
    int bad = 0;
    for (int i = 0; i < n; i++) {
        char *child = NULL;
        if (names[i]->d_name[0] != '.' && asprintf(&child, "%s/%s", path, names[i]->d_name) > 0)
            bad |= feed(child);
        free(child);
        free(names[i]);
    }
    free(names);
    return bad;
}

static int feed(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return fail("find", path);
    return S_ISDIR(st.st_mode) ? feed_folder(path) : feed_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++)
        bad |= feed(argv[i]);
    if (n_files == 0) {
        fprintf(stderr, "usage: %s FILE|FOLDER... (nothing was fed)\n", argv[0]);
        return 64;
    }
    printf("%d inputs\n", n_files);
    return bad;
}
