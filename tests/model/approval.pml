/* One login attempt and its approval (docs/protocol.md, 5), with the relay as attacker.
 *
 * H1 is honest; H2 is the attacker's, and the user has a device enrolled there too.
 * S0 is the user's own login at H1, S1 the attacker's at H1 as the same user: he knows
 * the first factor, and tries twice. The relay shows any challenge on any device in any
 * order, and delivers any answer to any attempt, late, or as often as it likes.
 * K0 and K1 are the keys of the user's two devices at H1, KM that of the attacker's own
 * account at H1, K2 that of the user's device at H2. K1 may be stolen, and is revoked
 * then. The daemon may be restarted once.
 *
 * P1 the attacker's login never gets in (but by the stolen device, until it is revoked)
 * P2 the user's login gets in only if the user approved its card, as shown, for it
 * P3 one approval, one login
 * P4 nothing gets in after a denial or a wrong number, from whichever device
 * P5 nothing gets in by a revoked device
 * P6 nothing gets in after its time
 * README.md lists the variants. Each -D takes one safeguard away.
 */
#define H1 1
#define H2 2
#define K0 0
#define K1 1
#define K2 2
#define KM 3
#define DENIAL   0
#define APPROVAL 1
#define NEVER   0
#define PENDING 1
#define OVER    2               /* its time is up, and the timer has not come yet */
#define ENDED   3
#ifdef NO_EXPIRY
#define TIME_UP OVER
#else
#define TIME_UP ENDED           /* step 10 makes the two the same; fewer states */
#endif
#define NOWHERE 3               /* the user looks at no terminal */
#ifndef MAXSIG
#define MAXSIG 2
#endif
#define MISTYPED 4

byte st[2], num[2], cid[2], acc[2];
bit refused[2];                 /* a denial or a wrong number came for this attempt */
bit meant;                      /* the user approved S0's card for S0's terminal */
byte term = NOWHERE;            /* 0: the terminal of S0, 2: that of H2 */
byte num2;                      /* what H2 shows */
byte tries;                     /* how often S1 has begun */
byte numbers;                   /* how many numbers were given so far */
bit stolen, revoked, restarted;

/* Answers of the user's devices, which the relay keeps: device key, host, challenge id,
 * number, decision; false: the card showed a text that the host never signed. The
 * challenge's digest stands for host, challenge id, device and text. */
byte sg_k[MAXSIG], sg_h[MAXSIG], sg_c[MAXSIG], sg_n[MAXSIG];
bit sg_d[MAXSIG], sg_f[MAXSIG];
byte nsig;

/* the answer under the eyes of the daemon, and other things of one step */
byte k, h, c, n, s, i;
bit d, f, ok;

inline clean() { k = 0; h = 0; c = 0; n = 0; s = 0; i = 0; d = 0; f = 0; ok = 0 }

/* S0's number is taken while S0 waits, and rests while it may be on a screen. */
#ifdef REUSE_NUM
#define TAKEN0 (false)
#define TAKEN1 (false)
#else
#define TAKEN1 ((st[1] == PENDING || st[1] == OVER) && num[1] == n)
#ifdef NO_REST
#define TAKEN0 ((st[0] == PENDING || st[0] == OVER) && num[0] == n)
#else
#define TAKEN0 ((st[0] == PENDING || st[0] == OVER || (term == 0 && !acc[0] && !restarted)) && num[0] == n)
#endif
#endif

/* Numbers are alike, so that the first that is given is 1, the next 1 or 2, and so on.
 * Real challenge ids are random; here S0 has 1, the tries of S1 have 2 and 3. */
inline begin(x) {
  if :: n = 1 :: numbers > 0 -> n = 2 :: numbers > 1 -> n = 3 fi;
  if
  :: (x == 1 && TAKEN0) || (x == 0 && TAKEN1) -> skip
  :: else ->
     num[x] = n; st[x] = PENDING; refused[x] = 0;
     if :: n > numbers -> numbers = n :: else fi;
     if
     :: x == 0 -> cid[0] = 1; term = 0
     :: else ->
        tries++;
        cid[1] = 1 + tries;
#ifdef REUSE_CID
        cid[1] = 2                          /* a retry is the same challenge */
#endif
#ifdef RESTART_REUSES_CID
        if :: restarted -> cid[1] = 1 :: else fi
#endif
     fi
  fi }

#ifdef NO_DECISION
#define IS_APPROVAL true
#else
#define IS_APPROVAL (d == APPROVAL)
#endif

inline verify() {
  ok = 1;
  /* 2: active now */
#ifndef NO_ACTIVE
  ok = ok && !(k == K1 && revoked);
#endif
  /* 4: a key recorded here */
  ok = ok && k != K2;
  /* 6: for this host */
#ifndef NO_HOST
  ok = ok && h == H1;
#endif
  /* 7: a challenge that waits */
#ifndef NO_CID
  ok = ok && c == cid[s];
#endif
#ifdef NO_ONCE
  ok = ok && st[s] != NEVER;
#else
  ok = ok && (st[s] == PENDING || st[s] == OVER);
#endif
  /* 8: a device that was asked */
#ifndef NO_ADDRESS
  ok = ok && k != KM;
#endif
  /* 9: the digest of what was sent to it */
#ifndef NO_DIGEST
  ok = ok && h == H1 && c == cid[s] && !f;
#endif
  /* 10: in time */
#ifndef NO_EXPIRY
  ok = ok && st[s] != OVER;
#endif
  if
  :: !ok -> skip                            /* closes nothing */
#ifndef NO_DECISION
  :: ok && d == DENIAL ->                   /* 12 */
     refused[s] = 1;
#ifndef DENIAL_KEEPS_OPEN
     st[s] = ENDED
#endif
#endif
  :: ok && IS_APPROVAL ->
#if defined(NO_NUM)
     ok = 1;
#elif defined(ANY_NUM)
     ok = (st[0] == PENDING && n == num[0]) || (st[1] == PENDING && n == num[1]);
#else
     ok = (n == num[s]);                    /* 13 */
#endif
     if
     :: !ok ->
        refused[s] = 1;
#ifndef WRONG_KEEPS_OPEN
        st[s] = ENDED
#endif
     :: ok ->
        assert(!(k == K1 && revoked));               /* P5 */
        assert(st[s] != OVER);                       /* P6 */
        assert(!refused[s]);                         /* P4 */
        assert(s == 0 || (k == K1 && stolen));       /* P1 */
        assert(s == 1 || (k == K1 && stolen) || (meant && !f));  /* P2 */
        acc[s]++;
        assert(acc[s] <= 1);                         /* P3 */
#ifndef NO_ONCE
        st[s] = ENDED;
#endif
#ifndef ANSWERS_AGAIN
        if :: s == 0 && term == 0 -> term = NOWHERE :: else fi
#endif
     fi
  fi }

active proctype world() {
  do
  :: st[0] == NEVER -> atomic { begin(0); clean() }
  :: tries < 2 && (st[1] == NEVER || st[1] == ENDED) && !acc[1] -> atomic { begin(1); clean() }
  :: term == 0 && st[0] == ENDED -> term = NOWHERE
  /* the user logs in at H2, which shows what it likes: it works with the attacker */
  :: term == NOWHERE -> atomic { term = 2; if :: num2 = num[1] :: num2 = MISTYPED fi }
  :: term == 2 -> atomic { term = NOWHERE; num2 = 0 }

  /* the relay shows a card, the user answers it on either device */
  :: term != NOWHERE && nsig < MAXSIG -> atomic {
       if
       :: st[0] != NEVER -> h = H1; c = cid[0]
       :: st[1] != NEVER -> h = H1; c = cid[1]
#ifdef NO_CHALLENGE_SIG
       :: h = H1; c = cid[0]; f = 1         /* the relay's own text */
#endif
       :: h = H2; c = cid[0]                /* H2 copies what it likes */
       :: h = H2; c = cid[1]
       fi;
#ifdef CARELESS
       ok = 1;
#else
       ok = (term == 0 && h == H1) || (term == 2 && h == H2);
#endif
       if
       :: ok ->
          if
          :: h == H1 -> if :: k = K0 :: !stolen && !revoked -> k = K1 fi
          :: else ->
#ifdef ONE_KEY
             k = K0                         /* one key at every host */
#else
             k = K2
#endif
          fi;
          if
          :: d = APPROVAL; n = (term == 0 -> num[0] : num2)
          :: d = APPROVAL; n = MISTYPED
          :: d = DENIAL;
#ifdef NO_DECISION
             n = (term == 0 -> num[0] : num2)
#endif
          fi;
          if
          :: d == APPROVAL && n == num[0] && h == H1 && c == cid[0] && term == 0 -> meant = 1
          :: else
          fi;
          sg_k[nsig] = k; sg_h[nsig] = h; sg_c[nsig] = c; sg_n[nsig] = n;
          sg_d[nsig] = d; sg_f[nsig] = f; nsig++
       :: else
       fi;
       clean() }

  /* the relay delivers an answer that it kept */
  :: nsig > 0 -> atomic {
       i = 0; do :: i < nsig - 1 -> i++ :: break od;
       if :: s = 0 :: s = 1 fi;
       k = sg_k[i]; h = sg_h[i]; c = sg_c[i]; n = sg_n[i]; d = sg_d[i]; f = sg_f[i];
       verify(); clean() }

  /* the attacker makes an answer: with his own key, or with that of the stolen device */
  :: st[0] == PENDING || st[0] == OVER || st[1] == PENDING || st[1] == OVER -> atomic {
       if :: s = 0 :: s = 1 fi;
       if
       :: k = KM
       :: stolen -> k = K1
#ifdef NO_SIGNATURE
       :: k = K0
#endif
       fi;
       h = H1; c = cid[s];
       if :: d = APPROVAL; n = num[1] :: d = DENIAL fi;
       verify(); clean() }

  :: st[0] == PENDING -> st[0] = TIME_UP
  :: st[1] == PENDING -> st[1] = TIME_UP
  :: st[0] == OVER -> st[0] = ENDED
  :: st[1] == OVER -> st[1] = ENDED
  :: !stolen && !revoked -> stolen = 1
  :: stolen && !revoked -> revoked = 1

  /* a restart loses the attempts that wait and the numbers that rest */
  :: !restarted && st[0] != NEVER -> atomic {
       restarted = 1;
       if :: st[0] == PENDING || st[0] == OVER -> st[0] = ENDED :: else fi;
       if :: st[1] == PENDING || st[1] == OVER -> st[1] = ENDED :: else fi;
#ifdef STARES
       skip
#else
       if :: term == 0 -> term = NOWHERE :: else fi
#endif
     }
  :: break
  od }
