/* The daemon of a case: it plays the [daemon] section. */

#ifndef PUSHMFA_TESTS_FAKE_DAEMON_H
#define PUSHMFA_TESTS_FAKE_DAEMON_H

#include "script.h"

#include <sys/types.h>

/* What the fake daemon may use; -1 where the case has no such thing. */
struct stage {
    int listener; /* the socket that the module connects to */
    int terminal; /* the far end of the application's terminal */
    int client;   /* the ssh client's end of its connection */
    int parent;   /* writing here ends the parent of the application */
};

/* Play the section and end the process, with status 1 if anything was not as
   written. */
void fake_daemon_play(const struct script *script, const struct stage *stage,
                      pid_t application) __attribute__((noreturn));

#endif
