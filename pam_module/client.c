/* The socket to the ssh client that sshd's PAM process has inherited.  sshd
   does not tell a waiting module that the client is gone; this socket does,
   within 50 ms. */

#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* sshd opens its socket early: it was 4 or 8 in every version tried. */
enum { DESCRIPTORS = 1024 };

/* An address of either family in one form: IPv4 is IPv4-mapped, because a
   dual-stack listener gives sshd ::ffff:192.0.2.1 and sshd writes 192.0.2.1. */
struct peer {
    struct in6_addr address;
    in_port_t port; /* network order */
};

static struct in6_addr
map_ipv4(struct in_addr address)
{
    struct in6_addr mapped = {{{[10] = 0xff, [11] = 0xff}}};

    memcpy(&mapped.s6_addr[12], &address, sizeof(address));
    return mapped;
}

/* conn is "address port address port"; an address may end in a zone, %eth0. */
static bool
parse_peer(struct peer *peer, const char *conn)
{
    char text[INET6_ADDRSTRLEN];
    const char *port = strchr(conn, ' ');
    size_t length = strcspn(conn, "% ");
    struct in_addr ipv4;

    if (port == NULL || length >= sizeof(text))
        return false;
    memcpy(text, conn, length);
    text[length] = '\0';
    peer->port = htons((in_port_t)strtoul(port, NULL, 10));
    if (inet_pton(AF_INET, text, &ipv4) == 1) {
        peer->address = map_ipv4(ipv4);
        return true;
    }
    return inet_pton(AF_INET6, text, &peer->address) == 1;
}

static bool
socket_peer(struct peer *peer, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_storage space;
    } name = {.space = {0}};
    socklen_t length = sizeof(name);

    if (getpeername(fd, &name.any, &length) != 0)
        return false;
    if (name.any.sa_family == AF_INET) {
        peer->address = map_ipv4(name.ipv4.sin_addr);
        peer->port = name.ipv4.sin_port;
        return true;
    }
    if (name.any.sa_family != AF_INET6)
        return false;
    peer->address = name.ipv6.sin6_addr;
    peer->port = name.ipv6.sin6_port;
    return true;
}

int
client_find(const char *conn)
{
    struct peer wanted, peer;
    int fd;

    if (conn == NULL || !parse_peer(&wanted, conn))
        return -1;
    for (fd = 0; fd < DESCRIPTORS; fd++)
        if (socket_peer(&peer, fd) && peer.port == wanted.port &&
            memcmp(&peer.address, &wanted.address, sizeof(peer.address)) == 0)
            return fd;
    return -1;
}
