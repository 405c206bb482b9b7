# SPDX-License-Identifier: BSD-3-Clause
"""``python -m fastloss`` prints the configuration."""

from fastloss import show_config

if __name__ == "__main__":
    show_config()
