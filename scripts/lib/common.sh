# common.sh - what the scripts share. Source it; it goes to the top of the repository and sets TOP, JOBS.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$TOP" || exit 70
JOBS=${JOBS:-$(nproc)}
export TOP JOBS

say() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# heading WORDS...: one line between the parts of a long run
heading() {
    printf '\n== %s\n' "$*"
}
