// Tells ThreadSanitizer of Swift's `Mutex`, preloaded into the tests that run under it.
//
// The sanitizer sees a mutex that is free being taken, for that is code of the package's own. Where threads wait, the
// waiting is done in libswiftSynchronization, which is not instrumented, and what they hand on would look like a race.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

// There in a process under the sanitizer only; its own commands, such as a shell, have none.
extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

#define SELF __attribute__((swift_context))
typedef __attribute__((swiftcall)) void (*lock_function)(uint32_t thread, SELF void *mutex);
typedef __attribute__((swiftcall)) void (*unlock_function)(SELF void *mutex);

static void *library(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}

// `_MutexHandle._lockSlow(_:)` and `_MutexHandle._unlockSlow()`, by their names in the library.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

__attribute__((swiftcall)) void lock(uint32_t thread, SELF void *mutex) __asm__(LOCK);
__attribute__((swiftcall)) void unlock(SELF void *mutex) __asm__(UNLOCK);

__attribute__((swiftcall)) void lock(uint32_t thread, SELF void *mutex) {
    ((lock_function)library(LOCK))(thread, mutex);
    if (__tsan_acquire) __tsan_acquire(mutex);
}

__attribute__((swiftcall)) void unlock(SELF void *mutex) {
    if (__tsan_release) __tsan_release(mutex);
    ((unlock_function)library(UNLOCK))(mutex);
}
