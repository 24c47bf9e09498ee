/* "Did you mean": the nearest of the words that could stand here. Distance is the number of single-letter slips (insert, delete, replace,
 * swap of neighbours: Damerau 1964, in its "optimal string alignment" form), which is how typing goes wrong. */
#include "app/config_priv.h"

#include <string.h>

#define LONGEST 63

static int least(int a, int b)
{
    return a < b ? a : b;
}

int config_nearest_distance(const char *a, const char *b, int limit)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > LONGEST || lb > LONGEST)
        return limit;
    int rows[3][LONGEST + 1]; /* the row before the last one, the last one, this one */
    int *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= lb; j++)
        last[j] = (int)j;
    for (size_t i = 1; i <= la; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        int *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return least(last[lb], limit);
}

int config_nearest(const char *word, const char *const *words, int n)
{
    size_t len = strlen(word);
    int best = -1,
        best_distance =
            len < 3 ? 2
                    : 2 + (int)len / 4; /* below this: one slip in short words, more in long ones */
    for (int i = 0; i < n; i++) {
        int distance = config_nearest_distance(word, words[i], best_distance);
        if (distance < best_distance && (size_t)distance < len) {
            best = i;
            best_distance = distance;
        }
    }
    return best;
}
