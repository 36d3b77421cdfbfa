"""Decide who calls the sandbox and what they may do: credentials, organizations, identity policies and key policies."""

import moto.kms.urls
import moto.organizations.urls
import moto.sts.urls

from snapshot_dr_provider.sandbox.access.authority import Authority
from snapshot_dr_provider.sandbox.access.kms import KmsResponse
from snapshot_dr_provider.sandbox.access.organizations import OrganizationsResponse
from snapshot_dr_provider.sandbox.access.responses import set_authority
from snapshot_dr_provider.sandbox.access.sts import StsResponse

_PATH = "{0}/$"
_PATHS = (
    (moto.kms.urls.url_paths, KmsResponse),
    (moto.organizations.urls.url_paths, OrganizationsResponse),
    (moto.sts.urls.url_paths, StsResponse),
)
_original = [paths[_PATH] for paths, _ in _PATHS]


def install(authority: Authority) -> None:
    """Have moto's KMS, Organizations and STS answered from *authority*.

    moto's server builds its application of a service at the first request to it, so install before that (moto 5).
    """
    set_authority(authority)
    for paths, response in _PATHS:
        paths[_PATH] = response.dispatch


def uninstall() -> None:
    """Give moto's own handlers back."""
    set_authority(None)
    for (paths, _), handler in zip(_PATHS, _original, strict=True):
        paths[_PATH] = handler
