# SPDX-License-Identifier: BSD-3-Clause
"""The thread pool: same results from many Python threads at once, after a fork, and with any limit.

That every loss, optimizer and regularizer gives the same bits for any number of threads is tested in their files.
"""

import os
import signal
import threading
import time

import numpy as np
import pytest

import fastloss as fl


@pytest.fixture
def two_threads():
    before = fl.get_num_threads()
    fl.set_num_threads(2)
    yield
    fl.set_num_threads(before)


def work(seed=0):
    """A call large enough for several threads: function and its expected result, computed on one."""
    rng = np.random.default_rng(seed)
    pred, target = rng.normal(size=200_000), rng.integers(0, 2, 200_000).astype(float)
    loss = fl.BinaryCrossEntropy()
    before = fl.get_num_threads()
    fl.set_num_threads(1)
    value, grad = loss.value_and_grad(pred, target)
    fl.set_num_threads(before)

    def check():
        again, grad_again = loss.value_and_grad(pred, target)
        return again == value and np.array_equal(grad_again, grad)

    return check


def test_many_python_threads_share_the_pool_and_get_the_same_bits(two_threads):
    checks, wrong = [work(k) for k in range(4)], []

    def run(check):
        for _ in range(30):
            if not check():
                wrong.append(check)

    threads = [threading.Thread(target=run, args=(check,)) for check in checks for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
        assert not t.is_alive()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_computes_with_threads_of_its_own(two_threads):
    check = work()
    assert check()
    for _ in range(50):
        child = os.fork()
        if child == 0:
            os._exit(0 if all(check() for _ in range(3)) else 1)
        deadline = time.monotonic() + 30
        while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                pytest.fail("a forked child hangs")
            time.sleep(0.001)
        assert os.waitstatus_to_exitcode(done[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_another_threads_call_leaves_the_child_whole(two_threads):
    check, stop = work(), threading.Event()

    def busy():
        while not stop.is_set():
            check()

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                os._exit(0 if check() else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()


def test_a_limit_above_the_processors_is_kept_as_set(two_threads):
    fl.set_num_threads(1000)
    assert fl.get_num_threads() == 1000
    assert work()()


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", None])
def test_a_number_of_threads_below_one_or_no_integer_is_refused(wrong, two_threads):
    with pytest.raises((TypeError, ValueError), match="set_num_threads: threads is"):
        fl.set_num_threads(wrong)
    assert fl.get_num_threads() == 2
