"""Which numbers may be rung at our cost: those of the fifty states and DC, toll-free ones, and what an admin lists.

Calls cost money by the minute, and whoever is paid for them gains by making us ring there: numbers of the Caribbean
have the country code 1 as well (+1 876 is Jamaica), 900 and 976 are premium, 500 and 700 may lead anywhere. All these
are rung only where an admin has listed the number, or how it begins, and only up to the listed ceilings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rules.telephone import NumberProblem, area_code_of, read_number

STATE_AREA_CODES = frozenset(
    """
201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 220 223 224 225 227 228 229 231 234
235 239 240 248 251 252 253 254 256 260 262 267 269 270 272 274 276 279 281 283 301 302 303 304 305 307
308 309 310 312 313 314 315 316 317 318 319 320 321 323 324 325 326 327 329 330 331 332 334 336 337 339
341 346 347 350 351 352 353 360 361 363 364 369 380 385 386 401 402 404 405 406 407 408 409 410 412 413
414 415 417 419 423 424 425 430 432 434 435 440 442 443 445 447 448 458 463 464 469 470 472 475 478 479
480 484 501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 520 530 531 534 539 540 541 551 557
559 561 562 563 564 567 570 571 572 573 574 575 580 582 585 586 601 602 603 605 606 607 608 609 610 612
614 615 616 617 618 619 620 623 626 628 629 630 631 636 640 641 645 646 650 651 656 657 659 660 661 662
667 669 678 680 681 682 686 689 701 702 703 704 706 707 708 712 713 714 715 716 717 718 719 720 724 725
726 727 728 730 731 732 734 737 738 740 743 747 748 754 757 760 762 763 765 769 770 771 772 773 774 775
779 781 785 786 801 802 803 804 805 806 808 810 812 813 814 815 816 817 818 820 821 826 828 830 831 832
835 838 839 840 843 845 847 848 850 854 856 857 858 859 860 862 863 864 865 870 872 878 901 903 904 906
907 908 909 910 912 913 914 915 916 917 918 919 920 925 928 929 930 931 934 936 937 938 940 941 943 945
947 948 949 951 952 954 956 959 970 971 972 973 975 978 979 980 983 984 985 986 989
    """.split()  # noqa: SIM905 (359 of them)
)
"""Area codes of the fifty states and DC, as phonenumbers has them (rules.places.area_code_table)."""
TOLL_FREE_AREA_CODES = frozenset({"800", "833", "844", "855", "866", "877", "888"})
"""Who is called pays."""
TERRITORIES: Mapping[str, str] = {
    "340": "US Virgin Islands",
    "670": "Northern Mariana Islands",
    "671": "Guam",
    "684": "American Samoa",
    "787": "Puerto Rico",
    "939": "Puerto Rico",
}
_NOT_DIALLED_EXCHANGES = frozenset({"976"})
LEAST_ABROAD_DIGITS = 8
"""Of a SIP user that begins with 00 or 011; shorter ones are extensions."""
LEAST_PREFIX_DIGITS, LEAST_NORTH_AMERICAN_PREFIX_DIGITS, LONGEST_PREFIX_DIGITS = 2, 4, 15

LONGEST_TALK_SECONDS = 3600
"""How long a call to a listed destination may last: it takes room for so much when it is rung."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Numbers abroad that an admin lists: what a minute costs, and how much a day of all that is rung abroad.

    The ceilings are those of one target, and of one trunk whoever it rings for.
    """

    prefix: str
    """A whole number as E.164, or its beginning: +1787, +442071838750."""
    name: str
    cost_per_minute_micros: int
    target_minutes_per_day: int
    target_micros_per_day: int
    trunk_minutes_per_day: int
    trunk_micros_per_day: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DiallingRules:
    """What may be rung beside the numbers of the fifty states and DC."""

    destinations: tuple[Destination, ...] = ()

    def destination_of(self, number: str) -> Destination | None:
        """Return the listed destination that a number (E.164) belongs to, the longest prefix first."""
        fitting = (one for one in self.destinations if number.startswith(one.prefix))
        return max(fitting, key=lambda one: len(one.prefix), default=None)


HOME_ONLY = DiallingRules()
US_ONLY = DiallingRules(
    destinations=tuple(
        Destination(
            prefix=f"+1{area}",
            name=name,
            cost_per_minute_micros=0,
            target_minutes_per_day=0,
            target_micros_per_day=0,
            trunk_minutes_per_day=0,
            trunk_micros_per_day=0,
        )
        for area, name in TERRITORIES.items()
    )
)
"""The fifty states, DC and every territory: whose callers may ask to be called back. Nobody is rung by this alone."""


def dialling_problem(number: str, rules: DiallingRules) -> str | None:
    """Return why a number (E.164) is not rung, for people; None when it is."""
    if rules.destination_of(number) is not None:
        return None
    area = area_code_of(number)
    if area is None:
        return f"{number} is abroad, and not listed under Numbers abroad"
    exchange = number[5:8]
    if exchange in _NOT_DIALLED_EXCHANGES or exchange.endswith("11"):
        return f"a number in {area}-{exchange} is not dialled"
    if area in STATE_AREA_CODES or area in TOLL_FREE_AREA_CODES:
        return None
    where = f" ({TERRITORIES[area]})" if area in TERRITORIES else ""
    return f"the area code {area}{where} is of none of the fifty states, and not listed under Numbers abroad"


def read_dialled(text: str, rules: DiallingRules) -> str | NumberProblem:
    """Return a number that may be rung as E.164, or why it is not."""
    read = read_number(text)
    if isinstance(read, NumberProblem):
        return read
    if not isinstance(read, str):
        return NumberProblem(reason="not a telephone number")
    problem = dialling_problem(read, rules)
    return read if problem is None else NumberProblem(reason=problem)


def number_in_sip_uri(uri: str) -> str | None:
    """Return the user of sip:user@host where a carrier would ring it as a number.

    Ten digits are one, and fewer after a plus, 00 or 011: numbers of some countries have seven.
    """
    user = uri.partition(":")[2].partition("@")[0]
    digits = sum(one.isdigit() for one in user)
    abroad = user.startswith("+") or (user.startswith(("00", "011")) and digits >= LEAST_ABROAD_DIGITS)
    is_number = (digits >= 10 or abroad) and not any(one.isalpha() for one in user)
    return user if is_number else None


def prefix_problem(prefix: str) -> str | None:
    """Return what is wrong with a listed prefix, for people."""
    digits = prefix.removeprefix("+")
    if prefix == digits or not (digits.isascii() and digits.isdigit()):
        return f"{prefix!r:.40} is not written like +1787 or +442071838750"
    least = LEAST_NORTH_AMERICAN_PREFIX_DIGITS if digits[0] == "1" else LEAST_PREFIX_DIGITS
    if not least <= len(digits) <= LONGEST_PREFIX_DIGITS:
        return f"{prefix} has {len(digits)} digits, not {least} to {LONGEST_PREFIX_DIGITS}"
    return None
