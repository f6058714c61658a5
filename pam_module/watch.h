/* Waiting: for the daemon, and for every sign that nobody waits any more.

   A pending push must not outlive the login it belongs to.  No alarm and no
   signal handler: sshd and sudo have their own. */

#ifndef PUSHMFA_WATCH_H
#define PUSHMFA_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct watch {
    int64_t deadline; /* of the whole attempt; watch_now() milliseconds */
    pid_t parent;     /* getppid() at the start */
    int daemon;       /* the connection; -1 = none, as below */
    int client;       /* sshd's socket to the ssh client; not ours to close */
    int signals;      /* signalfd for SIGINT and SIGQUIT where blocked */
    int terminal;     /* /dev/tty of a local service */
};

enum event {
    EVENT_DAEMON,      /* the connection has something to read, or has ended */
    EVENT_TYPED,       /* a line may be read from the terminal */
    EVENT_DEADLINE,    /* time is up */
    EVENT_HANGUP,      /* client, terminal or parent is gone */
    EVENT_INTERRUPTED, /* Ctrl-C or Ctrl-\; the signal is still pending */
    EVENT_FAILED       /* poll failed, errno says why */
};

/* Return the time of CLOCK_MONOTONIC in milliseconds; if it fails, a time after
   every deadline. */
int64_t watch_now(void);

/* Start the clock: the deadline is timeout seconds from now, nothing watched
   yet. */
void watch_start(struct watch *watch, int timeout);

/* Return the seconds until the deadline, rounded up, 0 if it has passed. */
unsigned watch_seconds_left(const struct watch *watch);

/* Watch the ssh client whose connection sshd describes in conn, "address port
   address port"; conn may be NULL.  The socket is polled, never read. */
void watch_client(struct watch *watch, const char *conn);

/* Watch SIGINT and SIGQUIT if they are blocked, as sudo blocks them. */
void watch_signals(struct watch *watch);

/* Watch /dev/tty, if there is one. */
void watch_terminal(struct watch *watch);

/* Close what was opened, except the client's socket. */
void watch_end(struct watch *watch);

/* Wait for the next event, until the deadline or until limit (milliseconds of
   watch_now(), ignored if later).  typed: whether lines are wanted.  Signs of
   absence win over the daemon's word, so that a late approval opens nothing. */
enum event watch_wait(const struct watch *watch, int64_t limit, bool typed);

#endif
