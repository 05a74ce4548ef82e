/*
 * Simulated power cuts: keeps, beside each file of a store, a copy of what a disk would still
 * hold if the power went now.
 *
 * Loaded with LD_PRELOAD. POWERCUT_STORES names files and folders, separated by colons;
 * POWERCUT_SYNCED is the folder of the copies, each at its full path below it. Written bytes
 * reach the copy only by fsync or fdatasync of that file: sync_file_range and close are no syncs.
 * Names and shorter lengths (rename, unlink, truncate) reach it at once, which is the worst order
 * that a journal may bring them in. A file that was there before this process wrote to it counts
 * as on the disk, unless it has a copy already, from a process before: then that stays as it is
 * until the next sync.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct span {
    off_t from, to;
};

struct file {
    dev_t device;
    ino_t inode;
    char copy[PATH_MAX];
    /* To read with. Stays open: closing any descriptor of a file ends the process's locks on it. */
    int source;
    bool whole; /* nobody knows what is not synced: everything may be */
    struct span *spans;
    size_t count, room;
    struct file *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;

#define REAL(name, result, ...)                                        \
    static result (*real)(__VA_ARGS__);                                \
    if (!real)                                                         \
        real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static void give_up(const char *what, const char *path) {
    fprintf(stderr, "powercut: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

static ssize_t real_pwrite(int fd, const void *bytes, size_t count, off_t at) {
    REAL(pwrite, ssize_t, int, const void *, size_t, off_t);
    return real(fd, bytes, count, at);
}

static int real_truncate(int fd, off_t length) {
    REAL(ftruncate, int, int, off_t);
    return real(fd, length);
}

/* Whether `path` belongs to a store: it is one, starts like one, or lies in one. */
static bool is_tracked(const char *path) {
    const char *stores = getenv("POWERCUT_STORES");
    while (stores && *stores) {
        size_t length = strcspn(stores, ":");
        if (length && !strncmp(path, stores, length)) {
            /* SQLite's shared memory is no data: it is made again from the log. */
            size_t end = strlen(path);
            return end < 4 || strcmp(path + end - 4, "-shm");
        }
        stores += length + (stores[length] == ':');
    }
    return false;
}

static bool copy_path(const char *path, char *copy) {
    const char *synced = getenv("POWERCUT_SYNCED");
    return synced && is_tracked(path) &&
           snprintf(copy, PATH_MAX, "%s%s", synced, path) < PATH_MAX;
}

static void make_folders(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(folder, 0700);
        *slash = '/';
    }
}

/* Brings [from, to) of `source` into `copy`. */
static void copy_span(int source, int copy, struct span span, const char *path) {
    static char buffer[1 << 16];
    while (span.from < span.to) {
        size_t want = sizeof buffer;
        if (span.to - span.from < (off_t)want) want = span.to - span.from;
        ssize_t got = pread(source, buffer, want, span.from);
        if (got < 0) give_up("read", path);
        if (got == 0) return; /* it is shorter by now */
        if (real_pwrite(copy, buffer, got, span.from) != got) give_up("write", path);
        span.from += got;
    }
}

/* Brings everything that was written into the copy, which then is as long as the file. */
static void settle(struct file *file, int fd) {
    int copy = open(file->copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct stat now;
    if (copy < 0 || fstat(fd, &now)) give_up("open", file->copy);
    if (file->whole) {
        copy_span(file->source, copy, (struct span){0, now.st_size}, file->copy);
    } else {
        for (size_t at = 0; at < file->count; at++)
            copy_span(file->source, copy, file->spans[at], file->copy);
    }
    if (real_truncate(copy, now.st_size)) give_up("truncate", file->copy);
    file->whole = false;
    file->count = 0;
    close(copy);
}

static struct file *find(dev_t device, ino_t inode) {
    struct file *file = files;
    while (file && (file->device != device || file->inode != inode)) file = file->next;
    return file;
}

static void forget(dev_t device, ino_t inode) {
    for (struct file **at = &files; *at; at = &(*at)->next) {
        if ((*at)->device == device && (*at)->inode == inode) {
            struct file *gone = *at;
            *at = gone->next;
            close(gone->source);
            free(gone->spans);
            free(gone);
            return;
        }
    }
}

/* Locks and gives the tracked file behind `fd`; null, and nothing locked, if it is not tracked. */
static struct file *enter(int fd) {
    struct stat now;
    int saved = errno;
    if (fstat(fd, &now) || !S_ISREG(now.st_mode)) return errno = saved, NULL;
    pthread_mutex_lock(&lock);
    struct file *file = find(now.st_dev, now.st_ino);
    if (!file) {
        char link[64], path[PATH_MAX], copy[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = 0;
        if (length > 0 && copy_path(path, copy)) {
            file = calloc(1, sizeof *file);
            if (!file) give_up("track", path);
            file->device = now.st_dev;
            file->inode = now.st_ino;
            snprintf(file->copy, sizeof file->copy, "%s", copy);
            file->next = files;
            files = file;
            file->whole = true;
            file->source = open(link, O_RDONLY | O_CLOEXEC);
            if (file->source < 0) give_up("open", path);
            if (access(copy, F_OK)) {
                make_folders(copy);
                settle(file, fd);
            }
        }
    }
    if (!file) pthread_mutex_unlock(&lock);
    errno = saved;
    return file;
}

static void note(struct file *file, off_t from, off_t to) {
    if (file->whole || from >= to) return;
    if (file->count && file->spans[file->count - 1].to == from) {
        file->spans[file->count - 1].to = to;
        return;
    }
    if (file->count == file->room) {
        file->room = file->room ? 2 * file->room : 16;
        file->spans = realloc(file->spans, file->room * sizeof *file->spans);
        if (!file->spans) give_up("track", file->copy);
    }
    file->spans[file->count++] = (struct span){from, to};
}

static void leave(void) {
    pthread_mutex_unlock(&lock);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(write, ssize_t, int, const void *, size_t);
    struct file *file = enter(fd);
    ssize_t done = real(fd, bytes, count);
    if (file) {
        off_t end = lseek(fd, 0, SEEK_CUR);
        if (done > 0) note(file, end - done, end);
        leave();
    }
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    struct file *file = enter(fd);
    ssize_t done = real_pwrite(fd, bytes, count, at);
    if (file) {
        if (done > 0) note(file, at, at + done);
        leave();
    }
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    return pwrite(fd, bytes, count, at);
}

int ftruncate(int fd, off_t length) {
    struct file *file = enter(fd);
    struct stat before = {0};
    if (file) fstat(fd, &before);
    int failed = real_truncate(fd, length);
    if (file) {
        struct stat copy;
        if (!failed && length > before.st_size) note(file, before.st_size, length);
        if (!failed && !stat(file->copy, &copy) && copy.st_size > length)
            if (truncate(file->copy, length)) give_up("truncate", file->copy);
        leave();
    }
    return failed;
}

int ftruncate64(int fd, off64_t length) {
    return ftruncate(fd, length);
}

static int sync_file(int fd, int (*real)(int)) {
    struct file *file = enter(fd);
    int failed = real(fd);
    if (file) {
        int saved = errno;
        if (!failed) settle(file, fd);
        leave();
        errno = saved;
    }
    return failed;
}

int fsync(int fd) {
    REAL(fsync, int, int);
    return sync_file(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync, int, int);
    return sync_file(fd, real);
}

int rename(const char *from, const char *to) {
    REAL(rename, int, const char *, const char *);
    char from_copy[PATH_MAX], to_copy[PATH_MAX];
    if (!copy_path(from, from_copy) || !copy_path(to, to_copy)) return real(from, to);
    pthread_mutex_lock(&lock);
    struct stat replaced;
    bool replaces = !stat(to, &replaced);
    int failed = real(from, to);
    int saved = errno;
    if (!failed) {
        struct stat moved;
        if (replaces) forget(replaced.st_dev, replaced.st_ino);
        struct file *file = stat(to, &moved) ? NULL : find(moved.st_dev, moved.st_ino);
        if (file) snprintf(file->copy, sizeof file->copy, "%s", to_copy);
        make_folders(to_copy);
        if (real(from_copy, to_copy) && errno == ENOENT) unlink(to_copy);
    }
    leave();
    errno = saved;
    return failed;
}

int unlink(const char *path) {
    REAL(unlink, int, const char *);
    char copy[PATH_MAX];
    if (!copy_path(path, copy)) return real(path);
    pthread_mutex_lock(&lock);
    struct stat gone;
    bool known = !stat(path, &gone);
    int failed = real(path);
    int saved = errno;
    if (!failed) {
        if (known && gone.st_nlink == 1) forget(gone.st_dev, gone.st_ino);
        real(copy);
    }
    leave();
    errno = saved;
    return failed;
}
