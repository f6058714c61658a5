/* libFuzzer plays sshd: the first line is SSH_CONNECTION, the rest is the peer
   of a socket, as getpeername() gives it. */

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { SOCKET = 4 }; /* where sshd has it */

static struct sockaddr_storage peer;
static socklen_t peer_length;

/* NOLINTBEGIN(bugprone-*,cert-*,misc-*): names of others, for them to find */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);

int
__wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    if (fd != SOCKET) {
        errno = ENOTSOCK;
        return -1;
    }
    memcpy(address, &peer, peer_length < *length ? peer_length : *length);
    *length = peer_length;
    return 0;
}
/* NOLINTEND(bugprone-*,cert-*,misc-*) */

/* The socket that was found has the port that sshd named. */
static void
check_port(const char *conn)
{
    const char *blank = strchr(conn, ' ');
    in_port_t port = ((const struct sockaddr_in *)&peer)->sin_port;

    if (blank == NULL ||
        (in_port_t)strtoul(blank, NULL, 10) != (in_port_t)ntohs(port))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t length = end == NULL ? size : (size_t)(end - data);
    char *conn = malloc(length + 1); /* so that ASan knows where it ends */
    int found;

    if (conn == NULL)
        abort();
    if (length > 0)
        memcpy(conn, data, length);
    conn[length] = '\0';
    memset(&peer, 0, sizeof(peer));
    peer_length = 0;
    if (end != NULL) {
        peer_length = (socklen_t)(size - length - 1);
        if (peer_length > sizeof(peer))
            peer_length = sizeof(peer);
        memcpy(&peer, end + 1, peer_length);
    }
    found = client_find(conn);
    if (found != -1 && found != SOCKET)
        abort();
    if (found == SOCKET)
        check_port(conn);
    free(conn);
    return 0;
}
