# SPDX-License-Identifier: BSD-3-Clause
"""Other libraries' interfaces, one module per library, each imported only on request: ``import fastloss.interop.torch``.

Nothing is computed here, and nothing of fastloss needs anything of this.
"""
