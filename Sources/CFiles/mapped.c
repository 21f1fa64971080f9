#define _GNU_SOURCE
#include "CFiles.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text, size_t size) {
    while (size > 0) {
        ssize_t count = write(STDERR_FILENO, text, size);
        if (count <= 0) return;
        text += count;
        size -= (size_t)count;
    }
}

/// A number in hexadecimal at the beginning of a text, and what follows it.
static uintptr_t number(const char **text) {
    uintptr_t value = 0;
    for (;; ++*text) {
        char c = **text;
        if (c >= '0' && c <= '9') value = value << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f') value = value << 4 | (uintptr_t)(c - 'a' + 10);
        else return value;
    }
}

/// Finds the path of the file that is mapped at an address, in a line of /proc/self/maps such as
/// "7f00-7f10 r--s 00000000 fe:00 12 /path". Its length goes to `size`; NULL where the line is another's.
static const char *mapped_path(const char *line, uintptr_t address, size_t *size) {
    uintptr_t start = number(&line);
    if (*line++ != '-') return NULL;
    uintptr_t end = number(&line);
    if (address < start || address >= end) return NULL;
    const char *path = strchr(line, '/');
    // The system adds this to the name of a file that has been removed or replaced.
    *size = path ? strlen(path) : 0;
    static const char deleted[] = " (deleted)";
    size_t tail = sizeof deleted - 1;
    if (*size > tail && strcmp(path + *size - tail, deleted) == 0) *size -= tail;
    return path ? path : "";
}

/// Says which file it was. Only async-signal-safe calls.
static void name_mapped_file(uintptr_t address) {
    static char line[8192];
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t filled = 0;
    const char *path = NULL;
    size_t size = 0;
    for (char c; maps >= 0 && !path && read(maps, &c, 1) == 1;) {
        if (c != '\n') {
            if (filled + 1 < sizeof line) line[filled++] = c;
            continue;
        }
        line[filled] = 0;
        filled = 0;
        path = mapped_path(line, address, &size);
    }
    static const char before[] = "Error: ", unknown[] = "a mapped file",
        after[] = " was cut short while it was in use, or its disk cannot be read\n";
    say(before, sizeof before - 1);
    if (path && size > 0) say(path, size);
    else say(unknown, sizeof unknown - 1);
    say(after, sizeof after - 1);
}

static void cut_short(int number, siginfo_t *information, void *context) {
    (void)context;
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (information->si_code != BUS_ADRERR) {
        // Not a file's: what would have come without this handler.
        signal(number, SIG_DFL);
        return;
    }
    // Several threads may meet it at once.
    if (!atomic_flag_test_and_set(&said)) {
        name_mapped_file((uintptr_t)information->si_addr);
        pp_unfinished_remove();
        _exit(1);
    }
    for (;;) pause();
}

void pp_watch_mapped_files(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = cut_short;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, NULL);
}
