/* A name service that does not answer while a file exists; for tests only.

   glibc loads it as libnss_hang.so.2 for `passwd: hang files`. */

#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

#define FILE_THAT_HANGS "/run/pushmfa-demo/hang"

static enum nss_status
wait_for_ever(int *error)
{
    while (access(FILE_THAT_HANGS, F_OK) == 0)
        (void)usleep(50000);
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_hang_getpwnam_r(const char *name, struct passwd *found,
                                     char *room, size_t size, int *error);
enum nss_status _nss_hang_getpwuid_r(uid_t uid, struct passwd *found, char *room,
                                     size_t size, int *error);

enum nss_status
_nss_hang_getpwnam_r(const char *name, struct passwd *found, char *room,
                     size_t size, int *error)
{
    (void)name, (void)found, (void)room, (void)size;
    return wait_for_ever(error);
}

enum nss_status
_nss_hang_getpwuid_r(uid_t uid, struct passwd *found, char *room, size_t size,
                     int *error)
{
    (void)uid, (void)found, (void)room, (void)size;
    return wait_for_ever(error);
}
