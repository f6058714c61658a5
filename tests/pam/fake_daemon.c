/* The daemon of a case: it plays the [daemon] section. */

#include "fake_daemon.h"
#include "player.h"
#include "report.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void
send_bytes(struct player *player, const char *bytes, size_t length)
{
    (void)send(player->connection, bytes, length, MSG_NOSIGNAL);
}

static void
send_text(struct player *player, char letter, const char *text)
{
    char bytes[SCRIPT_TEXT + 1] = {letter};
    size_t length = script_expand(player->script, text, bytes + 1, SCRIPT_TEXT);

    send_bytes(player, bytes, length + 1);
}

/* VERDICT name text: name NUL text. */
static void
send_verdict(struct player *player, const char *rest)
{
    char bytes[SCRIPT_TEXT + 1] = {'V'};
    size_t length = script_expand(player->script, rest, bytes + 1, SCRIPT_TEXT);
    char *blank = strchr(bytes, ' ');

    if (blank != NULL)
        *blank = '\0';
    send_bytes(player, bytes, length + 1 + (blank == NULL ? 1 : 0));
}

/* RAW bytes with escapes, as they are. */
static void
send_raw(struct player *player, const char *rest)
{
    char bytes[SCRIPT_TEXT];

    send_bytes(player, bytes,
               script_expand(player->script, rest, bytes, sizeof(bytes)));
}

/* FILL prefix count: the prefix and count times 'x'. */
static void
send_fill(struct player *player, const struct line *line)
{
    char bytes[4096];
    const char *blank = strrchr(line->rest, ' ');
    char prefix[SCRIPT_TEXT];
    size_t length, count;

    if (blank == NULL)
        give_up(line->number, "FILL prefix count");
    (void)snprintf(prefix, sizeof(prefix), "%.*s", (int)(blank - line->rest),
                   line->rest);
    length = script_expand(player->script, prefix, bytes, sizeof(bytes));
    count = strtoul(blank, NULL, 10);
    if (length + count > sizeof(bytes))
        give_up(line->number, "too long");
    memset(bytes + length, 'x', count);
    send_bytes(player, bytes, length + count);
}

/* A valid approval with a descriptor attached. */
static void
pass_descriptor(struct player *player)
{
    char bytes[] = "Vapproved";
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control.space)};
    int passed = STDERR_FILENO;

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
    (void)sendmsg(player->connection, &message, MSG_NOSIGNAL);
}

static void
pause_for(const char *milliseconds)
{
    unsigned long number = strtoul(milliseconds, NULL, 10);
    struct timespec time = {.tv_sec = (time_t)(number / 1000),
                            .tv_nsec = (long)(number % 1000) * 1000000};

    (void)nanosleep(&time, NULL);
}

static void
type(struct player *player, const struct line *line)
{
    char bytes[SCRIPT_TEXT];
    size_t length =
        script_expand(player->script, line->rest, bytes, sizeof(bytes));

    if (write(player->stage.terminal, bytes, length) != (ssize_t)length)
        fail(line->number, "cannot type");
}

static void
send_signal(const struct player *player, const struct line *line)
{
    int signal_number = strcmp(line->rest, "INT") == 0 ? SIGINT : SIGTERM;

    if (strcmp(line->rest, "INT") != 0 && strcmp(line->rest, "TERM") != 0)
        give_up(line->number, "SIGNAL INT or TERM");
    (void)kill(player->application, signal_number);
}

/* Become the foreground of the application's terminal, as a shell does. */
static void
take_foreground(const struct line *line)
{
    sigset_t blocked;

    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTTOU);
    (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
    (void)setpgid(0, 0);
    if (tcsetpgrp(STDIN_FILENO, getpgrp()) != 0)
        give_up(line->number, "cannot take the foreground");
}

/* Send the information for as long as anybody takes it. */
static void
flood(const struct player *player, const char *text)
{
    char bytes[SCRIPT_TEXT + 1] = {'I'};
    size_t length = script_expand(player->script, text, bytes + 1, SCRIPT_TEXT);

    while (send(player->connection, bytes, length + 1, MSG_NOSIGNAL) > 0)
        ;
}

/* What the daemon sends. */
static bool
play_datagram(struct player *player, const struct line *line)
{
    if (strcmp(line->word, "PROMPT") == 0)
        send_text(player, 'P', line->rest);
    else if (strcmp(line->word, "INFO") == 0)
        send_text(player, 'I', line->rest);
    else if (strcmp(line->word, "ERROR") == 0)
        send_text(player, 'E', line->rest);
    else if (strcmp(line->word, "VERDICT") == 0)
        send_verdict(player, line->rest);
    else if (strcmp(line->word, "RAW") == 0)
        send_raw(player, line->rest);
    else if (strcmp(line->word, "FILL") == 0)
        send_fill(player, line);
    else if (strcmp(line->word, "EMPTY") == 0)
        send_bytes(player, "", 0);
    else if (strcmp(line->word, "PASS-DESCRIPTOR") == 0)
        pass_descriptor(player);
    else if (strcmp(line->word, "FLOOD") == 0)
        flood(player, line->rest);
    else
        return false;
    return true;
}

/* What happens around the application. */
static void
play_event(struct player *player, const struct line *line)
{
    if (strcmp(line->word, "SLEEP") == 0)
        pause_for(line->rest);
    else if (strcmp(line->word, "CLOSE") == 0)
        player_close(&player->connection);
    else if (strcmp(line->word, "TYPE") == 0)
        type(player, line);
    else if (strcmp(line->word, "HANGUP") == 0)
        player_close(&player->stage.terminal);
    else if (strcmp(line->word, "HANGUP-CLIENT") == 0)
        player_close(&player->stage.client);
    else if (strcmp(line->word, "SIGNAL") == 0)
        send_signal(player, line);
    else if (strcmp(line->word, "TAKE-FOREGROUND") == 0)
        take_foreground(line);
    else if (strcmp(line->word, "ORPHAN") == 0)
        player_close(&player->stage.parent);
    else
        give_up(line->number, "nobody plays %s", line->word);
}

void
fake_daemon_play(const struct script *script, const struct stage *stage,
                 pid_t application)
{
    static struct player player; /* 64 KiB, and zero */
    const struct lines *lines = &script->section[SECTION_DAEMON];
    size_t i;

    player.script = script;
    player.stage = *stage;
    player.application = application;
    player.connection = -1;
    if (strcmp(lines->line[0].word, "REFUSED") == 0)
        player_connect(&player, 0); /* and no more: it must end at once */
    else
        player_accept(&player, 0);
    for (i = 0; i < lines->count; i++) {
        const struct line *line = &lines->line[i];

        if (strcmp(line->word, "REFUSED") == 0)
            player_expect_end(&player, line->number);
        else if (strcmp(line->word, "CONNECTION") == 0) {
            player_expect_end(&player, line->number);
            player_accept(&player, line->number);
        } else if (!player_expect(&player, line) &&
                   !play_datagram(&player, line))
            play_event(&player, line);
    }
    player_expect_end(&player, 0);
    _exit(failures());
}
