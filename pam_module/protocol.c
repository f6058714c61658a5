/* What module and daemon say to each other: bytes in, bytes out, no I/O. */

#include "protocol.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static void
append(struct first_datagram *first, const char *bytes, size_t length)
{
    if (first->overflow || length > sizeof(first->bytes) - first->length) {
        first->overflow = true;
        return;
    }
    memcpy(first->bytes + first->length, bytes, length);
    first->length += length;
}

void
protocol_begin(struct first_datagram *first)
{
    static const char magic[] = "pushmfa1"; /* its NUL is sent too */

    first->length = 0;
    first->overflow = false;
    append(first, magic, sizeof(magic));
}

void
protocol_add(struct first_datagram *first, const char *key, const char *value)
{
    if (value == NULL)
        return;
    append(first, key, strlen(key));
    append(first, "=", 1);
    append(first, value, strlen(value) + 1);
}

void
protocol_add_number(struct first_datagram *first, const char *key,
                    unsigned long number)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%lu", number);
    protocol_add(first, key, digits);
}

bool
protocol_end(struct first_datagram *first, const char *command, size_t length)
{
    static const char key[] = "command=";

    append(first, key, strlen(key));
    append(first, command, length);
    return !first->overflow;
}

/* Newlines would let a prompt paint a second, false line under itself. */
static bool
decode_text(struct message *message, const char *bytes, size_t length)
{
    bool newlines = message->kind != MESSAGE_PROMPT;

    if (length > PROTOCOL_TEXT_MAX ||
        !text_is_printable(bytes, length, newlines))
        return false;
    memcpy(message->text, bytes, length);
    message->text[length] = '\0';
    return true;
}

static bool
decode_verdict(struct message *message, const char *bytes, size_t length)
{
    const char *end = memchr(bytes, '\0', length);
    size_t name_length;

    if (end == NULL)
        return false;
    name_length = (size_t)(end - bytes);
    return verdict_from_name(&message->verdict, bytes, name_length) &&
           decode_text(message, end + 1, length - name_length - 1);
}

bool
protocol_decode(struct message *message, const char *bytes, size_t length)
{
    /* Set whatever happens: no half-read message is ever an approval. */
    message->kind = MESSAGE_ERROR;
    message->verdict = VERDICT_UNAVAILABLE;
    message->text[0] = '\0';
    if (length < 2) /* a letter without a text shows nothing */
        return false;
    switch (bytes[0]) {
    case 'I':
        message->kind = MESSAGE_INFO;
        return decode_text(message, bytes + 1, length - 1);
    case 'E':
        message->kind = MESSAGE_ERROR;
        return decode_text(message, bytes + 1, length - 1);
    case 'P':
        message->kind = MESSAGE_PROMPT;
        return decode_text(message, bytes + 1, length - 1);
    case 'V':
        message->kind = MESSAGE_VERDICT;
        return decode_verdict(message, bytes + 1, length - 1);
    default:
        return false;
    }
}

size_t
protocol_compose_typed(char datagram[PROTOCOL_TYPED_MAX + 1],
                       const struct typed *typed)
{
    datagram[0] = 'A';
    memcpy(datagram + 1, typed->bytes, typed->length);
    return typed->length + 1;
}
