#define _GNU_SOURCE
#include "CFiles.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

bool pp_is_in_procfs(int folder) {
    struct statfs status;
    return fstatfs(folder, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}

int pp_open_folder(int folder, const char *path) {
    return openat(folder, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int pp_reserve(int file, int64_t size) {
    if (size == 0 || fallocate(file, FALLOC_FL_KEEP_SIZE, 0, size) == 0) return 0;
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? -1 : 0;
}

/// Whether a list of names, each ended by a null byte, has a name.
static bool has_name(const char *names, ssize_t size, const char *name) {
    for (ssize_t i = 0; i < size; i += (ssize_t)strlen(names + i) + 1)
        if (strcmp(names + i, name) == 0) return true;
    return false;
}

/// The names of a file's attributes, of the same size for all files; -1 when they cannot be read.
static ssize_t attribute_names(int file, char *names, size_t size) {
    ssize_t count = flistxattr(file, names, size);
    return count < 0 && errno == ENOTSUP ? 0 : count;
}

int pp_copy_attributes(int from, int to) {
    // The most that Linux lets a file's names, and one value, have.
    enum { LIMIT = 1 << 16 };
    char *memory = malloc(3 * LIMIT);
    if (!memory) return -1;
    char *wanted = memory, *present = memory + LIMIT, *value = memory + 2 * LIMIT;
    int result = -1;
    ssize_t wanted_size = attribute_names(from, wanted, LIMIT);
    ssize_t present_size = attribute_names(to, present, LIMIT);
    if (wanted_size < 0 || present_size < 0) goto end;
    for (ssize_t i = 0; i < present_size; i += (ssize_t)strlen(present + i) + 1)
        if (!has_name(wanted, wanted_size, present + i) && fremovexattr(to, present + i) != 0) goto end;
    for (ssize_t i = 0; i < wanted_size; i += (ssize_t)strlen(wanted + i) + 1) {
        char *name = wanted + i;
        ssize_t size = fgetxattr(from, name, value, LIMIT);
        if (size < 0) goto end;
        char own[256];
        // One that is as it should be may be one that only the system sets.
        if ((size_t)size <= sizeof own && fgetxattr(to, name, own, sizeof own) == size
            && memcmp(own, value, (size_t)size) == 0)
            continue;
        if (fsetxattr(to, name, value, (size_t)size, 0) != 0) goto end;
    }
    result = 0;
end:
    free(memory);
    return result;
}

int pp_rename_folder(int folder, const char *from, const char *to) {
    if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EEXIST && errno != EINVAL && errno != ENOSYS) return -1;
    // An empty folder is replaced, and nothing else is: a file, or a folder that has something in it, refuses.
    return renameat(folder, from, folder, to);
}
