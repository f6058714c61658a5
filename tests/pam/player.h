/* The daemon's end of the connection, and what it expects to hear there. */

#ifndef PUSHMFA_TESTS_PLAYER_H
#define PUSHMFA_TESTS_PLAYER_H

#include "fake_daemon.h"
#include "protocol.h"
#include "script.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct player {
    const struct script *script;
    struct stage stage;
    pid_t application;
    int connection;
    size_t length; /* of the first datagram */
    char first[PROTOCOL_FIRST_MAX + 1];
};

/* Take the next connection. */
void player_connect(struct player *player, int number);

/* Take the next connection and its first datagram. */
void player_accept(struct player *player, int number);

/* Check what a line expects.  Return whether it is such a line. */
bool player_expect(struct player *player, const struct line *line);

/* The module must end the connection, and say nothing more before that. */
void player_expect_end(struct player *player, int number);

/* Close the descriptor, once. */
void player_close(int *fd);

#endif
