/* Enrollment (docs/protocol.md, 4), with the relay as attacker.
 *
 * KH, KD, KA: the keys of the host, of the user's device, and of the attacker, each with
 * the nonce that goes with it. Without -DLEAK the attacker has not seen the link, so
 * that he can enclose nothing of his own and only pass on what the two have sent.
 *
 * Q1 only the user's device becomes active
 * Q2 a device that became active trusts the host's key and no other
 * Q3 one link, one device
 * Q4 a device that became active can read what is sealed to it
 * README.md lists the variants. Each -D takes one safeguard away.
 */
#define KH 1
#define KD 2
#define KA 3
#define SPENT 9

byte committed;                 /* whose commitment the device got first */
bit claimed;                    /* the device has sent its claim */
byte claim;                     /* whose claim the host took; SPENT: none any more */
byte to;                        /* to whose key the host has sealed what it reveals */
byte trusted;                   /* the host key that the device accepted */
bit lost;                       /* the device lost its sealing key */
byte active_[2], n_active;
byte k; bit good;

/* Whether the attacker can enclose under the secret of the link. */
#ifdef LEAK
#define ENCLOSES true
#else
#define ENCLOSES false
#endif

/* Whether both compute the same six digits: from the host's keys and nonce and the
 * device's claim. Else they differ, but for whoever may choose last and knows the rest. */
#define SAME (trusted == KH && claim == KD)
#ifdef NO_COMMIT
#define GROUND_FOR_DEVICE (trusted == KA && to != 0)
#else
#define GROUND_FOR_DEVICE false
#endif
#ifdef EARLY_REVEAL
#define GROUND_FOR_HOST (claim == KA && trusted != 0)
#else
#define GROUND_FOR_HOST false
#endif

#ifdef HOST_SHOWS
#define HAS_DIGITS true
#else
#define HAS_DIGITS (trusted != 0)
#endif

active proctype world() {
  if :: lost = 0 :: lost = 1 fi;
  do
  /* 4.2: the host's commitment waits at the relay; one who saw the link can give another */
  :: !claimed && committed == 0 -> atomic {
       if :: committed = KH :: ENCLOSES -> committed = KA fi }

  /* 4.3: the device claims */
  :: committed != 0 && !claimed -> claimed = 1

  /* the relay hands a claim to the host; the first that passes burns the link */
  :: claim == 0 -> atomic {
       if
       :: claimed -> k = KD;
#ifdef NO_COMMIT
          good = 1
#else
          good = (committed == KH)          /* the claim names the commitment */
#endif
          /* the attacker can sign with no key but his own */
       :: k = KA; good = ENCLOSES
       :: to != 0 -> k = KH;
#ifdef NO_ROLE
          good = 1                          /* what the host sent, as a claim */
#else
          good = 0
#endif
       fi;
       if :: good -> claim = k; to = k :: else fi;
       k = 0; good = 0 }

  /* 4.4: the relay hands the device what some host reveals */
  :: claimed && trusted == 0 -> atomic {
       if
       :: to != 0 -> k = KH;
#ifdef NO_SEAL
          good = (to == KD)
#else
          good = (to == KD && !lost)        /* sealed to the key that it claimed */
#endif
       :: k = KA; good = ENCLOSES && !lost
#ifdef NO_ROLE
       :: k = KD; good = 1                  /* the device's own claim, as a host's */
#endif
       fi;
#ifndef NO_COMMIT
       good = good && k == committed;
#endif
       if :: good -> trusted = k :: else fi;
       k = 0; good = 0 }

  /* 4.5: the device shows six digits, and the user types them into the terminal, once */
  :: claim != 0 && claim != SPENT && HAS_DIGITS -> atomic {
#ifdef HOST_SHOWS
       good = 1;                            /* typed off the host's own screen */
#else
       good = SAME || GROUND_FOR_DEVICE || GROUND_FOR_HOST;
#endif
       if
       :: good ->
          active_[n_active] = claim; n_active++;
          assert(n_active == 1);                     /* Q3 */
          assert(active_[0] == KD);                  /* Q1 */
          assert(trusted == 0 || trusted == KH);     /* Q2 */
          assert(!lost)                              /* Q4 */
       :: else
       fi;
#ifdef NO_BURN
       claim = 0;
#else
       claim = SPENT;
#endif
       good = 0 }
#ifdef HOST_SHOWS
  :: trusted != 0 && trusted != KH -> assert(n_active == 0)
#endif
  :: break
  od }
