#ifndef CFILES_H
#define CFILES_H

// What files need of the system and Swift cannot call: extended attributes, reserved space, and signal handlers.
// Functions that can fail return -1 and set errno.

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// Whether an open folder is in procfs, where links stand for open files.
bool pp_is_in_procfs(int folder);

/// An open folder for finding what is in it, which needs no permission to list it.
int pp_open_folder(int folder, const char *path);

/// Reserves a file's space without changing its size. 0 also where the file system cannot.
int pp_reserve(int file, int64_t size);

/// Gives a file the extended attributes of another, access lists among them, and no others.
int pp_copy_attributes(int from, int to);

/// Renames what is in an open folder; EEXIST when something else has the name, but for an empty folder.
int pp_rename_folder(int folder, const char *from, const char *to);

// Unfinished files and folders, which go when the process ends before they are finished.

/// Most of them at a time; what is beyond is not noted.
enum { PP_UNFINISHED_COUNT = 64 };

/// Notes a name in an open folder.
///
/// @param is_folder Whether it is a folder, which goes when it is empty by then: its files are noted too.
/// @return What `pp_unfinished_forget` takes; -1 when no more can be noted.
int pp_unfinished_note(int folder, const char *name, bool is_folder);

/// Forgets a name.
void pp_unfinished_forget(int place);

/// Removes everything noted, in a signal handler that ends the process.
void pp_unfinished_remove(void);

/// From now on removes everything noted when the process exits, or is ended by SIGINT, SIGTERM or SIGHUP. A signal that
/// is ignored or handled otherwise stays so.
void pp_unfinished_watch(void);

/// From now on a mapped file that is cut short ends the process with a message that names it and status 1, and what is
/// unfinished is removed.
void pp_watch_mapped_files(void);

#endif
