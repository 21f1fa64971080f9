#define _GNU_SOURCE
#include "CFiles.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// A name that is removed unless it is forgotten. Handlers may come at any moment and read only what is `READY`. A name
/// that is overwritten meanwhile is a mixture of two that nothing else has.
static struct {
    atomic_int state;
    int folder;
    bool is_folder;
    char name[256];
} places[PP_UNFINISHED_COUNT];

enum { FREE, TAKEN, READY };

/// Whether a handler is removing what is noted.
static atomic_bool is_ending;

int pp_unfinished_note(int folder, const char *name, bool is_folder) {
    if (strlen(name) >= sizeof places[0].name) return -1;
    for (int i = 0; i < PP_UNFINISHED_COUNT; i++) {
        int expected = FREE;
        if (!atomic_compare_exchange_strong(&places[i].state, &expected, TAKEN)) continue;
        places[i].folder = folder;
        places[i].is_folder = is_folder;
        strcpy(places[i].name, name);
        atomic_store(&places[i].state, READY);
        return i;
    }
    return -1;
}

void pp_unfinished_forget(int place) {
    if (place < 0) return;
    atomic_store(&places[place].state, FREE);
    // The handler of another thread may have seen the name before. Its folder must not be closed then: the descriptor
    // could come to mean another folder, with a file of that name.
    while (atomic_load(&is_ending)) pause();
}

static void remove_all(void) {
    int saved = errno;
    // Files first, so that their folders are empty.
    for (int folders = 0; folders < 2; folders++)
        for (int i = 0; i < PP_UNFINISHED_COUNT; i++) {
            if (atomic_load(&places[i].state) != READY || places[i].is_folder != folders) continue;
            unlinkat(places[i].folder, places[i].name, folders ? AT_REMOVEDIR : 0);
        }
    errno = saved;
}

void pp_unfinished_remove(void) {
    atomic_store(&is_ending, true);
    remove_all();
}

/// Only async-signal-safe calls.
static void end(int number) {
    pp_unfinished_remove();
    // The parent is to see which signal it was. Process 1 of a container is spared by it.
    signal(number, SIG_DFL);
    raise(number);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, number);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    _exit(128 + number);
}

static void watch_once(void) {
    atexit(remove_all);
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler != SIG_DFL) continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = end;
        sigaction(numbers[i], &action, NULL);
        sigaddset(&signals, numbers[i]);
    }
    // Whoever started this process may have left the signals blocked.
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

void pp_unfinished_watch(void) {
    static atomic_flag done = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&done)) watch_once();
}
