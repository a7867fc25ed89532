/* Put before libc by LD_PRELOAD: once the file SHIM_TRIGGER is there, the call SHIM_CALL (fdatasync, rename or pwrite64) on a file of a
 * folder journal/ fails with SHIM_ERRNO, and is not done, or half done where it writes. Each such call adds a line to SHIM_LOG: ns since 1970 and the path. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fails(const char *call, const char *path)
{
    const char *chosen = getenv("SHIM_CALL"), *trigger = getenv("SHIM_TRIGGER");
    const char *log = getenv("SHIM_LOG"), *error = getenv("SHIM_ERRNO");
    struct timespec now;
    int file;

    if (!chosen || !trigger || !log || !error)
        return 0;
    if (strcmp(chosen, call) || !strstr(path, "/journal/") || access(trigger, F_OK))
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file >= 0) {
        dprintf(file, "%lld %s\n", now.tv_sec * 1000000000LL + now.tv_nsec, path);
        close(file);
    }
    errno = atoi(error);
    return 1;
}

static int fails_on(const char *call, int file)
{
    char link[64], path[4096];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return fails(call, path);
}

int fdatasync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

    return fails_on("fdatasync", file) ? -1 : real(file);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    int error;

    if (!fails_on("pwrite64", file))
        return real(file, bytes, count, offset);
    error = errno;
    real(file, bytes, count / 2, offset);
    errno = error;
    return -1;
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");

    return fails("rename", to) ? -1 : real(from, to);
}
