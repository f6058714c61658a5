/* The daemon's end of the connection, and what it expects to hear there. */

#include "player.h"
#include "report.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PATIENCE = 25000,     /* milliseconds that anything may take */
    PATIENCE_FAULT = 2000 /* the same where a fault has kept it away */
};

static int
patience(void)
{
    return report_is_tolerant() ? PATIENCE_FAULT : PATIENCE;
}

/* Return the datagram's length, 0 at the end, -1 if nothing came in time. */
static ssize_t
receive(struct player *player, char *bytes, size_t size, int limit)
{
    struct pollfd polled = {.fd = player->connection, .events = POLLIN};
    ssize_t got;

    if (player->connection < 0 || poll(&polled, 1, limit) != 1)
        return -1;
    got = recv(player->connection, bytes, size, 0);
    /* A module that goes with a datagram unread is reported once, and before
       what it has sent. */
    if (got < 0 && errno == ECONNRESET)
        got = recv(player->connection, bytes, size, 0);
    return got;
}

void
player_connect(struct player *player, int number)
{
    struct pollfd polled = {.fd = player->stage.listener, .events = POLLIN};

    if (poll(&polled, 1, PATIENCE) != 1)
        give_up(number, "the module does not connect");
    player->connection = accept(player->stage.listener, NULL, NULL);
    if (player->connection < 0)
        give_up(number, "cannot accept");
}

void
player_accept(struct player *player, int number)
{
    ssize_t length;

    player_connect(player, number);
    length = receive(player, player->first, sizeof(player->first), PATIENCE);
    if (length <= 0 || length > PROTOCOL_FIRST_MAX)
        give_up(number, "no first datagram");
    player->length = (size_t)length;
    if (length < 9 || memcmp(player->first, "pushmfa1", 9) != 0)
        fail(number, "the first datagram does not start with pushmfa1");
}

/* Return the end of the item at item: command runs to the end of all. */
static const char *
end_of_item(const struct player *player, const char *item)
{
    const char *end = player->first + player->length;
    const char *nul;

    if (strncmp(item, "command=", 8) == 0)
        return end;
    nul = memchr(item, '\0', (size_t)(end - item));
    return nul == NULL ? end : nul;
}

/* Return the value of a key and its length, or NULL. */
static const char *
find_key(const struct player *player, const char *key, size_t *length)
{
    const char *end = player->first + player->length;
    const char *item = player->first + 9;
    size_t width = strlen(key);

    while (item < end) {
        const char *stop = end_of_item(player, item);

        if (strncmp(item, key, width) == 0 && item[width] == '=') {
            *length = (size_t)(stop - item) - width - 1;
            return item + width + 1;
        }
        item = stop + 1;
    }
    return NULL;
}

static void
expect_value(struct player *player, const struct line *line)
{
    char key[SCRIPT_TEXT], wanted[SCRIPT_TEXT];
    char *equals;
    const char *value;
    size_t length = 0, wanted_length;

    (void)snprintf(key, sizeof(key), "%s", line->rest);
    equals = strchr(key, '=');
    if (equals == NULL)
        give_up(line->number, "EXPECT key=value");
    wanted_length =
        script_expand(player->script, line->rest + (equals - key) + 1, wanted,
                      sizeof(wanted));
    *equals = '\0';
    value = find_key(player, key, &length);
    if (value == NULL)
        fail(line->number, "no %s in the first datagram", key);
    else if (length != wanted_length || memcmp(value, wanted, length) != 0)
        fail(line->number, "%s is \"%.*s\"", key, (int)length, value);
}

static void
expect_absent(struct player *player, const struct line *line)
{
    size_t length = 0;
    const char *value = find_key(player, line->rest, &length);

    if (value != NULL)
        fail(line->number, "%s is there: \"%.*s\"", line->rest, (int)length,
             value);
}

static void
expect_length(struct player *player, const struct line *line)
{
    char key[32] = "";
    size_t length = 0;
    char *number = strchr(line->rest, ' ');

    if (number == NULL)
        give_up(line->number, "EXPECT-LENGTH key number");
    (void)snprintf(key, sizeof(key), "%.*s", (int)(number - line->rest),
                   line->rest);
    (void)find_key(player, key, &length);
    if (length != strtoul(number, NULL, 10))
        fail(line->number, "%s has %zu bytes", key, length);
}

static void
expect_keys(struct player *player, const struct line *line)
{
    const char *end = player->first + player->length;
    const char *item = player->first + 9;
    char keys[SCRIPT_TEXT] = "";
    size_t length = 0;

    while (item < end) {
        size_t width = strcspn(item, "=");

        length +=
            (size_t)snprintf(keys + length, sizeof(keys) - length, "%s%.*s",
                             length == 0 ? "" : " ", (int)width, item);
        item = end_of_item(player, item) + 1;
    }
    if (strcmp(keys, line->rest) != 0)
        fail(line->number, "keys are %s", keys);
}

static void
expect_typed(struct player *player, const struct line *line)
{
    char bytes[PROTOCOL_TYPED_MAX + 2], wanted[SCRIPT_TEXT];
    ssize_t got = receive(player, bytes, sizeof(bytes), patience());
    size_t count, length;

    if (got <= 0 || bytes[0] != 'A') {
        fail(line->number, "nothing typed came");
        return;
    }
    if (strncmp(line->rest, "LENGTH ", 7) == 0) {
        count = strtoul(line->rest + 7, NULL, 10);
        if (count != (size_t)got - 1)
            fail(line->number, "%zd bytes typed", got - 1);
        return;
    }
    length = script_expand(player->script, line->rest, wanted, sizeof(wanted));
    if (length != (size_t)got - 1 || memcmp(bytes + 1, wanted, length) != 0)
        fail(line->number, "typed \"%.*s\"", (int)got - 1, bytes + 1);
}

static void
expect_silence(struct player *player, const struct line *line)
{
    char bytes[PROTOCOL_TYPED_MAX + 2];
    int limit = (int)strtoul(line->rest, NULL, 10);
    ssize_t got = receive(player, bytes, sizeof(bytes), limit);

    if (got >= 0)
        fail(line->number, "the module was not silent: %.*s", (int)got, bytes);
}

void
player_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void
player_expect_end(struct player *player, int number)
{
    char bytes[PROTOCOL_TYPED_MAX + 2];
    ssize_t got = 0;

    if (player->connection >= 0)
        got = receive(player, bytes, sizeof(bytes), patience());
    if (got > 0)
        fail(number, "unexpected at the end: %.*s", (int)got, bytes);
    if (got < 0)
        fail(number, "the module does not end the connection");
    player_close(&player->connection);
}

bool
player_expect(struct player *player, const struct line *line)
{
    if (strcmp(line->word, "EXPECT") == 0)
        expect_value(player, line);
    else if (strcmp(line->word, "EXPECT-ABSENT") == 0)
        expect_absent(player, line);
    else if (strcmp(line->word, "EXPECT-KEYS") == 0)
        expect_keys(player, line);
    else if (strcmp(line->word, "EXPECT-LENGTH") == 0)
        expect_length(player, line);
    else if (strcmp(line->word, "EXPECT-TYPED") == 0)
        expect_typed(player, line);
    else if (strcmp(line->word, "EXPECT-SILENCE") == 0)
        expect_silence(player, line);
    else
        return false;
    return true;
}
