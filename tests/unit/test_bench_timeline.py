"""The timeline of a login: legs found in the steps that daemon and phone noted."""

from tests.bench.timeline import LEGS, Step, legs_of, make_table, split_logins


def login(at: int) -> list[Step]:
    """Return the steps of a login that begins at at; each leg lasts 10."""
    steps = [(at, LEGS[0][1])]
    for _, begin, end in LEGS:
        if steps[-1][1] != begin:
            steps.append((at, begin))
        at += 10
        steps.append((at, end))
    return steps


def test_a_leg_is_from_its_first_step_to_its_next() -> None:
    noise = [(2, "phone data+"), (3, "daemon write-")]
    assert legs_of(sorted(login(1_000) + noise)) == [10] * len(LEGS)


def test_steps_are_found_in_the_order_of_a_login() -> None:
    """The outcome of the login before is sealed and written too, meanwhile."""
    late = [(1_001, "daemon seal-"), (1_002, "daemon write-"), (1_003, "phone data+")]
    assert legs_of(sorted(login(1_000) + late)) == [10] * len(LEGS)


def test_a_login_that_lacks_a_step_has_no_legs() -> None:
    assert legs_of(login(0)[:-1]) is None


def test_logins_begin_with_a_connection_of_the_module() -> None:
    both = [(1, "phone data+"), *login(10), *login(1_000)]
    assert [list(each) for each in split_logins(both)] == [login(10), login(1_000)]


def test_the_table_adds_up() -> None:
    table = make_table([[2_000] * len(LEGS), [4_000] * len(LEGS)], 0.1).splitlines()
    assert table[2] == f"| {LEGS[0][0]} | 3 |"
    assert table[-2:] == [
        f"| all legs | {3 * len(LEGS)} |",
        "| the whole PAM transaction | 100 |",
    ]
