/* A disk that fails on demand, for the process that is started with this library in LD_PRELOAD.
 *
 * It concerns the files whose path begins with FAULTY_FILES. FAULTY_CONTROL is a file of four 32-bit numbers: the errno
 * that every sync fails with, the errno that every write fails with, the milliseconds that every sync takes longer, and
 * how often something failed because of them. Everything that is done to the files is written to FAULTY_LEDGER, so
 * that tests/faults/faultydisk.py can tell what a disk holds after a loss of power: a write counts as kept only after a
 * sync of its file that came after it and has succeeded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SYNC_ERRNO, WRITE_ERRNO, SYNC_DELAY_MS, FAILURES, FIELDS };

struct record {
    char kind; /* W: written, T: cut to a length, S: synced, F: failed to be synced, U: removed */
    char file[15];
    int64_t offset;
    int64_t length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int32_t *control;
static const char *files;
static int ledger = -1;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_ftruncate)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);

__attribute__((constructor)) static void begin(void)
{
    const char *control_path = getenv("FAULTY_CONTROL"), *ledger_path = getenv("FAULTY_LEDGER");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    if (control_path == NULL || ledger_path == NULL)
        return;
    int descriptor = open(control_path, O_RDWR | O_CLOEXEC);
    void *mapped = mmap(NULL, FIELDS * sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ledger = open(ledger_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0 || mapped == MAP_FAILED || ledger < 0)
        abort();
    close(descriptor);
    control = mapped;
    files = getenv("FAULTY_FILES");
}

/* Return the end of the path of one of the files, such as "-wal"; NULL for any other. What is shared in memory and never
 * read after a restart, and the lock, are others. */
static const char *end_of(const char *path)
{
    if (files == NULL || strncmp(path, files, strlen(files)) != 0)
        return NULL;
    const char *end = path + strlen(files);
    return strcmp(end, "-shm") == 0 || strcmp(end, ".lock") == 0 ? NULL : end;
}

static const char *end_of_open(int descriptor, char path[PATH_MAX])
{
    char link[32];
    if (files == NULL)
        return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return NULL;
    path[length] = '\0';
    return end_of(path);
}

static void note(char kind, const char *end, int64_t offset, const void *data, int64_t length, size_t stored)
{
    struct record record = {.kind = kind, .offset = offset, .length = length};
    strncpy(record.file, end, sizeof record.file - 1);
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)data, stored}};
    if (writev(ledger, parts, 2) != (ssize_t)(sizeof record + stored))
        abort();
}

static int fails(int field)
{
    int number = control[field];
    if (number == 0)
        return 0;
    __sync_fetch_and_add(&control[FAILURES], 1);
    errno = number;
    return 1;
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset)
{
    char path[PATH_MAX];
    const char *end = end_of_open(descriptor, path);
    if (end == NULL)
        return real_pwrite(descriptor, data, size, offset);
    if (fails(WRITE_ERRNO))
        return -1;
    pthread_mutex_lock(&lock);
    ssize_t written = real_pwrite(descriptor, data, size, offset);
    if (written > 0)
        note('W', end, offset, data, written, written);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    return pwrite64(descriptor, data, size, offset);
}

int ftruncate64(int descriptor, off64_t length)
{
    char path[PATH_MAX];
    const char *end = end_of_open(descriptor, path);
    if (end == NULL)
        return real_ftruncate(descriptor, length);
    pthread_mutex_lock(&lock);
    int done = real_ftruncate(descriptor, length);
    if (done == 0)
        note('T', end, 0, NULL, length, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int descriptor, off_t length)
{
    return ftruncate64(descriptor, length);
}

static int sync_by(int (*real)(int), int descriptor)
{
    char path[PATH_MAX];
    const char *end = end_of_open(descriptor, path);
    if (end == NULL)
        return real(descriptor);
    int milliseconds = control[SYNC_DELAY_MS];
    struct timespec delay = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    while (milliseconds && nanosleep(&delay, &delay) != 0)
        ;
    pthread_mutex_lock(&lock);
    int done = -1;
    if (fails(SYNC_ERRNO)) {
        int number = errno;
        note('F', end, 0, NULL, 0, 0);
        errno = number;
    } else {
        done = real(descriptor);
        if (done == 0)
            note('S', end, 0, NULL, 0, 0);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int descriptor)
{
    return sync_by(real_fsync, descriptor);
}

int fdatasync(int descriptor)
{
    return sync_by(real_fdatasync, descriptor);
}

int unlink(const char *path)
{
    const char *end = end_of(path);
    if (end == NULL)
        return real_unlink(path);
    pthread_mutex_lock(&lock);
    int done = real_unlink(path);
    if (done == 0)
        note('U', end, 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return done;
}
