"""How people sign in by the house's directory, an OpenID Connect provider. Read from the settings, passed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from router.buyers.addresses import AddressRules, Network

CALLBACK = "/sign-in/directory/back"
"""The path that the provider leads back to; the whole address is registered there."""


@dataclass(frozen=True, kw_only=True)
class OidcConfig:
    """One provider, and what it is believed."""

    issuer: str
    """Exactly as the provider spells it."""
    client_id: str
    web_url: str
    """How people reach the pages: what a request says of itself decides nothing here."""
    client_secret: str = field(default="", repr=False)
    """Empty: the provider knows us as a public client, by PKCE alone."""
    name: str = "your company account"
    """What the button calls it: Sign in with …"""
    scopes: str = "openid profile email"
    groups_claim: str = "groups"
    trust_emails: bool = False
    """Addresses count although the provider does not say that it has verified them."""
    second_factor_amr: frozenset[str] = frozenset()
    second_factor_acr: frozenset[str] = frozenset()
    """Values that show a second factor at the provider; none: ours is asked for."""
    networks: tuple[Network, ...] = ()
    """Networks of the house that the provider may be in."""
    confirmed_for: timedelta = timedelta(minutes=60)
    """How long the provider's word counts until it is asked again."""

    @property
    def redirect_uri(self) -> str:
        return self.web_url + CALLBACK

    @property
    def address_rules(self) -> AddressRules:
        # The settings take http:// for a provider on this machine only.
        return AddressRules(allowed=self.networks, plain_http=self.issuer.startswith("http://"))
