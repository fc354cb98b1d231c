/* A quota for processes in whose environment LD_PRELOAD names this library, and for their children:
 * while the file $QUOTA_USED_UP is there, nothing is written or made under the folder $QUOTA_FOLDER.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int counted(const char *path)
{
    const char *folder = getenv("QUOTA_FOLDER"), *mark = getenv("QUOTA_USED_UP");
    if (!folder || !mark || strncmp(path, folder, strlen(folder)))
        return 0;
    int before = errno, used_up = !access(mark, F_OK);
    errno = before;
    return used_up;
}

static int counted_at(int at, const char *path)
{
    char link[64], found[PATH_MAX] = "";
    if (path && *path == '/')
        return counted(path);
    int before = errno;
    if (at == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = readlink(link, found, sizeof found - 2);
    errno = before;
    if (length <= 0)
        return 0;
    found[length] = '/'; /* what is made in the folder itself counts, too */
    return counted(found);
}

#define REFUSE(condition) if (condition) { errno = EDQUOT; return -1; }
#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* open and openat: `at` says where a relative path begins, `given` is what the real one is called with */
#define OPEN(name, parameters, at, given) \
    int name parameters \
    { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        REFUSE(flags & O_CREAT && counted_at(at, path) && faccessat(at, path, F_OK, 0)) \
        return real given; \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(openat, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))

ssize_t write(int fd, const void *bytes, size_t count)
{
    REAL(write);
    REFUSE(counted_at(fd, NULL))
    return real(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    REAL(pwrite64);
    REFUSE(counted_at(fd, NULL))
    return real(fd, bytes, count, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    REFUSE(counted_at(fd, NULL))
    return real(fd, parts, count);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    REFUSE(counted_at(AT_FDCWD, path))
    return real(path, mode);
}

int link(const char *from, const char *to)
{
    REAL(link);
    REFUSE(counted_at(AT_FDCWD, to))
    return real(from, to);
}

int symlink(const char *text, const char *path)
{
    REAL(symlink);
    REFUSE(counted_at(AT_FDCWD, path))
    return real(text, path);
}
