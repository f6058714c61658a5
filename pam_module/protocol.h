/* What module and daemon say to each other: bytes in, bytes out, no I/O.

   Module, first datagram:  "pushmfa1" NUL, then "key=value" NUL once each, at
   last "command=" and the bytes of the command to the end.
   Daemon:  'I' text, 'E' text, 'P' text, or 'V' name NUL text.
   Module:  'A' and the bytes that were typed.  */

#ifndef PUSHMFA_PROTOCOL_H
#define PUSHMFA_PROTOCOL_H

#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PROTOCOL_FIRST_MAX = 65536,   /* bytes of the first datagram */
    PROTOCOL_COMMAND_MAX = 32768, /* bytes of the command in it */
    PROTOCOL_TEXT_MAX = 500,      /* bytes of a text of the daemon */
    PROTOCOL_REPLY_MAX = 600,     /* more than the longest valid reply */
    PROTOCOL_TYPED_MAX = 512      /* bytes of what a person typed */
};

/* The first datagram while it is composed. */
struct first_datagram {
    size_t length;
    bool overflow; /* something did not fit: must not be sent */
    char bytes[PROTOCOL_FIRST_MAX];
};

/* What a person typed: raw bytes, not NUL-terminated.  Wipe after use. */
struct typed {
    size_t length;
    char bytes[PROTOCOL_TYPED_MAX];
};

enum message_kind {
    MESSAGE_INFO,
    MESSAGE_ERROR,
    MESSAGE_PROMPT,
    MESSAGE_VERDICT
};

/* One datagram of the daemon. */
struct message {
    enum message_kind kind;
    enum verdict verdict;             /* of MESSAGE_VERDICT only */
    char text[PROTOCOL_TEXT_MAX + 1]; /* printable ASCII; a prompt is 1 line */
};

/* Start the first datagram. */
void protocol_begin(struct first_datagram *first);

/* Append "key=value" NUL; a NULL value appends nothing. */
void protocol_add(struct first_datagram *first, const char *key,
                  const char *value);

/* Append "key=number" NUL, in decimal. */
void protocol_add_number(struct first_datagram *first, const char *key,
                         unsigned long number);

/* Append "command=" and length bytes, NULs and all.  Must be the last call.
   Return false if the datagram is larger than PROTOCOL_FIRST_MAX. */
bool protocol_end(struct first_datagram *first, const char *command,
                  size_t length);

/* Read one datagram of the daemon into *message.  Return false for anything
   that is not exactly of the form above. */
bool protocol_decode(struct message *message, const char *bytes, size_t length);

/* Write the datagram for what was typed.  Return its length. */
size_t protocol_compose_typed(char datagram[PROTOCOL_TYPED_MAX + 1],
                              const struct typed *typed);

#endif
