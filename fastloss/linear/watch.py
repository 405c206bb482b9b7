# SPDX-License-Identifier: BSD-3-Clause
"""What stands beside a training loop: Ctrl-C between two steps, and the progress bar."""

from __future__ import annotations

import signal
import sys
import threading


class Interrupt:
    """Turns Ctrl-C into a KeyboardInterrupt between two steps, with the result; a second one comes at once."""

    def __init__(self, result):
        self.result, self.pressed, self.installed = result, False, False

    def __enter__(self):
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._press)
            self.installed = True
        return self

    def _press(self, number, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.pressed = True

    def stop_if_pressed(self):
        if self.pressed:
            raise KeyboardInterrupt

    def __exit__(self, kind, error, trace):
        if self.installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self.stop_if_pressed()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            error.result = self.result


class Progress:
    """A bar on a terminal with tqdm, else about ten lines; or nothing."""

    def __init__(self, wanted, epochs):
        self.bar, self.every = None, max(1, epochs // 10) if wanted else 0
        self.epochs = epochs
        if wanted and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=epochs, unit="epoch", dynamic_ncols=True)

    def __call__(self, result):
        if not self.every:
            return
        history, done = result.history, result.n_epochs
        total, rate = history["loss"][-1] + history["penalty"][-1], history["learning_rate"][-1]
        if self.bar is not None:
            self.bar.n = done - 1  # a run may go on from a checkpoint
            self.bar.set_postfix_str(f"loss {total:.6g}, rate {rate:.3g}", refresh=False)
            self.bar.update()
        elif done % self.every == 0 or done in (1, self.epochs):
            print(f"epoch {done}/{self.epochs}: loss {total:.6g}, rate {rate:.3g}", flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()
