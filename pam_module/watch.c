/* Waiting: for the daemon, and for every sign that nobody waits any more. */

#include "watch.h"
#include "client.h"
#include "typed.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* How often parent and foreground are looked at when nothing else happens. */
enum { SLICE = 1000 };

enum { DAEMON, CLIENT, SIGNALS, TERMINAL, WATCHED };

/* What a clock that fails shows: later than every deadline. */
static const int64_t end_of_time = INT64_MAX / 2;

int64_t
watch_now(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return end_of_time;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
watch_start(struct watch *watch, int timeout)
{
    int64_t now = watch_now();

    *watch = (struct watch){
        .deadline = now < end_of_time ? now + (int64_t)timeout * 1000 : 0,
        .parent = getppid(),
        .daemon = -1,
        .client = -1,
        .signals = -1,
        .terminal = -1,
    };
}

unsigned
watch_seconds_left(const struct watch *watch)
{
    int64_t left = watch->deadline - watch_now();

    return left > 0 ? (unsigned)((left + 999) / 1000) : 0;
}

void
watch_client(struct watch *watch, const char *conn)
{
    watch->client = client_find(conn);
}

/* Where SIGINT is not blocked its default action ends the process, and the
   daemon sees the connection end: nothing to do, and nothing to change. */
void
watch_signals(struct watch *watch)
{
    sigset_t blocked, wanted;

    if (sigprocmask(SIG_SETMASK, NULL, &blocked) != 0 ||
        sigismember(&blocked, SIGINT) != 1)
        return;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGINT);
    if (sigismember(&blocked, SIGQUIT) == 1)
        (void)sigaddset(&wanted, SIGQUIT);
    watch->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

void
watch_terminal(struct watch *watch)
{
    watch->terminal = typed_open();
}

void
watch_end(struct watch *watch)
{
    if (watch->daemon >= 0)
        (void)close(watch->daemon);
    if (watch->signals >= 0)
        (void)close(watch->signals);
    if (watch->terminal >= 0)
        (void)close(watch->terminal);
    watch->daemon = watch->signals = watch->terminal = -1;
}

static enum event
judge(const struct pollfd polled[], bool *happened)
{
    *happened = true;
    /* The signal is left pending: sudo sees it after we return and does not
       try again.  Reading it here would take it away from sudo. */
    if (polled[SIGNALS].revents != 0)
        return EVENT_INTERRUPTED;
    if (polled[CLIENT].revents != 0)
        return EVENT_HANGUP;
    if ((polled[TERMINAL].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        return EVENT_HANGUP;
    if (polled[DAEMON].revents != 0)
        return EVENT_DAEMON;
    if ((polled[TERMINAL].revents & POLLIN) != 0)
        return EVENT_TYPED;
    *happened = false;
    return EVENT_FAILED;
}

/* Poll once, for at most left milliseconds. */
static enum event
poll_once(const struct watch *watch, int64_t left, bool typed, bool *happened)
{
    struct pollfd polled[WATCHED] = {
        [DAEMON] = {.fd = watch->daemon, .events = POLLIN},
        [CLIENT] = {.fd = watch->client, .events = POLLRDHUP},
        [SIGNALS] = {.fd = watch->signals, .events = POLLIN},
        [TERMINAL] = {.fd = watch->terminal},
    };

    if (typed && watch->terminal >= 0 && typed_may_read(watch->terminal))
        polled[TERMINAL].events = POLLIN;
    if (poll(polled, WATCHED, left < SLICE ? (int)left : SLICE) >= 0)
        return judge(polled, happened);
    *happened = errno != EINTR;
    return EVENT_FAILED;
}

enum event
watch_wait(const struct watch *watch, int64_t limit, bool typed)
{
    enum event event = EVENT_FAILED;
    bool happened = false;

    if (limit >= end_of_time)
        return EVENT_DEADLINE;
    if (limit > watch->deadline)
        limit = watch->deadline;
    while (!happened) {
        int64_t left = limit - watch_now();

        /* An orphan's result goes nowhere: killing sshd's monitor or closing
           the terminal of sudo leaves us running. */
        if (getppid() != watch->parent)
            return EVENT_HANGUP;
        if (left <= 0)
            return EVENT_DEADLINE;
        event = poll_once(watch, left, typed, &happened);
    }
    return event;
}
