/* Sets the wall clock of one process forward or back; for tests only.

   The seconds stand as text in the file that PUSHMFA_WALL names, and may change while
   the process runs.  The boot clock and the monotonic clock stay as they are. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 32 };

static long
offset(void)
{
    static const char *text = MAP_FAILED;
    const char *path = getenv("PUSHMFA_WALL");

    if (text == MAP_FAILED && path != NULL) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        text = mmap(NULL, ROOM, PROT_READ, MAP_SHARED, fd, 0);
        (void)close(fd);
    }
    return text == MAP_FAILED ? 0 : strtol(text, NULL, 10);
}

int
clock_gettime(clockid_t which, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    int code;

    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT,
                                                            "clock_gettime");
    code = real(which, now);
    if (code == 0 && which == CLOCK_REALTIME)
        now->tv_sec += offset();
    return code;
}
