# SPDX-License-Identifier: BSD-3-Clause
"""What other libraries ask for, a module for each, imported only on request: ``import fastloss.interop.torch``.

Nothing is computed here, and nothing of fastloss needs anything of this.
"""
