/* The terminal of sudo, su and login. */

#include "typed.h"

#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 }; /* the longest code has 22 */

int
typed_open(void)
{
    /* Our own open file description: O_NONBLOCK must not reach the shell's. */
    return open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static bool
is_foreground(int terminal)
{
    return tcgetpgrp(terminal) == getpgrp();
}

void
typed_flush(int terminal)
{
    if (is_foreground(terminal))
        (void)tcflush(terminal, TCIFLUSH);
}

bool
typed_may_read(int terminal)
{
    struct termios settings;

    return is_foreground(terminal) && tcgetattr(terminal, &settings) == 0 &&
           (settings.c_lflag & ICANON) != 0;
}

/* A line longer than we take: what is left of it must not be read as the next
   line.  It is complete already, so this ends without waiting. */
static void
drop_rest_of_line(int terminal)
{
    char rest[LINE_MAX_BYTES];
    ssize_t got;

    do
        got = read(terminal, rest, sizeof(rest));
    while (got == sizeof(rest) && rest[got - 1] != '\n');
    explicit_bzero(rest, sizeof(rest));
}

bool
typed_read(int terminal, struct typed *typed)
{
    ssize_t got = read(terminal, typed->bytes, LINE_MAX_BYTES);

    typed->length = got > 0 ? (size_t)got : 0;
    if (typed->length > 0 && typed->bytes[typed->length - 1] == '\n')
        typed->length--;
    else if (typed->length == LINE_MAX_BYTES)
        drop_rest_of_line(terminal);
    return typed->length > 0;
}
