"""What the test set's voices say: answers of every grammar with their values, and speech that answers nothing.

The answers are written down here and not drawn from the grammars' own tables, so that a way of saying something that
a grammar forgot counts against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rules.places import STATES

Said = tuple[str, str]
"""What is said, and the value it stands for."""

OUT_OF_GRAMMAR = "out_of_grammar"

_YES_NO: tuple[Said, ...] = (
    ("yes", "yes"), ("yeah", "yes"), ("yep", "yes"), ("correct", "yes"), ("that's right", "yes"), ("sure", "yes"),
    ("yes please", "yes"), ("um yes", "yes"), ("yes sir", "yes"), ("yes that's right", "yes"), ("yes I do", "yes"),
    ("no", "no"), ("nope", "no"), ("nah", "no"), ("no thank you", "no"), ("no I don't", "no"), ("no thanks", "no"),
    ("uh no", "no"), ("no I don't think so", "no"), ("no ma'am", "no"),
)  # fmt: skip
_LOAN_TYPE: tuple[Said, ...] = (
    ("refinance", "refinance"), ("refinancing", "refinance"), ("I want to refinance", "refinance"),
    ("I'd like to refinance please", "refinance"), ("a refinance", "refinance"),
    ("purchase", "purchase"), ("buy a home", "purchase"), ("I want to buy a house", "purchase"),
    ("buying a home", "purchase"), ("home purchase", "purchase"), ("I'm looking to purchase a home", "purchase"),
    ("home equity", "home_equity"), ("home equity loan", "home_equity"), ("line of credit", "home_equity"),
    ("home equity line of credit", "home_equity"), ("cash out", "home_equity"),
    ("I need a home equity loan", "home_equity"),
    ("reverse mortgage", "reverse"), ("a reverse mortgage please", "reverse"), ("I want a reverse mortgage", "reverse"),
)  # fmt: skip
_STATE: tuple[Said, ...] = (
    *((name, code) for code, name in STATES.items()),
    ("I live in Ohio", "OH"), ("I'm in Texas", "TX"), ("the state of Washington", "WA"), ("Washington D C", "DC"),
    ("New York state", "NY"), ("California please", "CA"), ("it's in Florida", "FL"), ("Cali", "CA"),
)  # fmt: skip
_ZIP: tuple[Said, ...] = (
    ("four three two one five", "43215"), ("nine oh two one oh", "90210"), ("one zero zero zero one", "10001"),
    ("six oh six one four", "60614"), ("seven seven zero zero two", "77002"), ("three three one three nine", "33139"),
    ("nine eight one zero nine", "98109"), ("zero two one three nine", "02139"), ("eight five zero zero four", "85004"),
    ("three oh three oh three", "30303"), ("five five four oh two", "55402"), ("eight oh two oh five", "80205"),
    ("one nine one zero three", "19103"), ("two eight two oh two", "28202"), ("three seven two one nine", "37219"),
    ("four six two zero eight", "46208"), ("five three seven one one", "53711"), ("nine four one oh three", "94103"),
    ("eight nine one two three", "89123"), ("two two three one four", "22314"),
    ("it's seven five two oh one", "75201"), ("my zip is four eight two two six", "48226"),
)  # fmt: skip
_NUMBER: tuple[Said, ...] = (
    ("zero", "0"), ("one", "1"), ("two", "2"), ("three", "3"), ("four", "4"), ("five", "5"), ("six", "6"),
    ("seven", "7"), ("eight", "8"), ("nine", "9"), ("ten", "10"), ("twelve", "12"), ("fifteen", "15"),
    ("twenty", "20"), ("twenty five", "25"), ("thirty two", "32"), ("forty", "40"), ("sixty eight", "68"),
)  # fmt: skip
_MONEY: tuple[Said, ...] = (
    ("three hundred thousand", "300000"), ("two hundred fifty thousand", "250000"), ("two fifty k", "250000"),
    ("four hundred thousand dollars", "400000"), ("one hundred and eighty thousand", "180000"),
    ("half a million", "500000"), ("one million dollars", "1000000"), ("six hundred thousand", "600000"),
    ("about three fifty", "350000"), ("seventy five thousand", "75000"), ("ninety thousand dollars", "90000"),
    ("a hundred thousand", "100000"), ("four twenty five", "425000"), ("eight hundred thousand", "800000"),
    ("two hundred and twenty thousand", "220000"), ("fifty thousand", "50000"), ("sixty thousand dollars", "60000"),
    ("five hundred thousand", "500000"), ("seven hundred and fifty thousand", "750000"),
    ("three hundred k", "300000"), ("around two hundred thousand", "200000"), ("one point five million", "1500000"),
)  # fmt: skip
_CREDIT: tuple[Said, ...] = (
    ("excellent", "excellent"), ("my credit is excellent", "excellent"), ("excellent credit", "excellent"),
    ("good", "good"), ("pretty good", "good"), ("good credit", "good"), ("I think it's good", "good"),
    ("fair", "fair"), ("my credit is fair", "fair"), ("it's fair", "fair"), ("fair I think", "fair"),
    ("poor", "poor"), ("pretty poor", "poor"), ("poor credit", "poor"), ("my credit is poor", "poor"),
)  # fmt: skip
_DATE: tuple[Said, ...] = (
    ("March third nineteen seventy five", "1975-03-03"), ("June twenty first nineteen sixty two", "1962-06-21"),
    ("January first two thousand", "2000-01-01"), ("October tenth nineteen eighty eight", "1988-10-10"),
    ("the fourth of July nineteen seventy six", "1976-07-04"),
    ("December thirty first nineteen ninety nine", "1999-12-31"),
    ("August fifteenth nineteen fifty eight", "1958-08-15"), ("May second nineteen ninety one", "1991-05-02"),
    ("November eleventh nineteen forty seven", "1947-11-11"), ("April thirtieth nineteen eighty three", "1983-04-30"),
)  # fmt: skip
_AGE: tuple[Said, ...] = (
    ("sixty two", "62"), ("I'm seventy one", "71"), ("forty five", "45"), ("fifty eight years old", "58"),
    ("I am thirty three", "33"), ("eighty", "80"), ("sixty six", "66"), ("twenty nine", "29"), ("seventy five", "75"),
    ("fifty", "50"), ("sixty", "60"), ("I'm sixty eight years old", "68"),
)  # fmt: skip
_TIMELINE: tuple[Said, ...] = (
    ("right away", "now"), ("as soon as possible", "now"), ("immediately", "now"), ("right now", "now"),
    ("in three months", "within_3_months"), ("within three months", "within_3_months"),
    ("next month", "within_3_months"), ("in a couple of months", "within_3_months"),
    ("three to six months", "3_to_6_months"), ("in four months", "3_to_6_months"),
    ("six to twelve months", "6_to_12_months"), ("within a year", "6_to_12_months"),
    ("in over a year", "over_a_year"), ("more than a year", "over_a_year"),
    ("just looking", "just_looking"), ("I'm just looking", "just_looking"),
)  # fmt: skip
ANSWERS: Mapping[str, tuple[Said, ...]] = MappingProxyType({
    "yes_no": _YES_NO, "loan_type": _LOAN_TYPE, "state": _STATE, "zip": _ZIP, "number": _NUMBER, "money": _MONEY,
    "credit_band": _CREDIT, "date": _DATE, "age": _AGE, "timeline": _TIMELINE,
})  # fmt: skip

NO_ANSWERS: tuple[str, ...] = (
    "my dog is sleeping on the sofa", "what time does the pharmacy close today", "hold on somebody is at the door",
    "can you hear me now", "the kids are playing in the yard", "turn the television down", "who is this",
    "I have to pick up my daughter at four", "he said the game starts tonight", "where did you put the keys",
    "let me get my glasses", "the weather has been terrible this week", "I was calling about my car insurance",
    "please stop making that noise", "did you feed the cat this morning", "we went to the lake last summer",
    "somebody told me about your company", "what kind of music do you like", "hang on a second",
    "the soup needs a little more salt", "I already talked to your manager", "how much longer is this going to take",
    "put the boxes in the garage", "she works at the hospital downtown", "my phone battery is almost empty",
    "I don't understand the question", "is there a bathroom on this floor", "the train was late again",
    "grandma made a chocolate cake", "we need bread and butter", "the printer is out of paper",
    "are you a real person", "give me the green one over there", "why is the light still on",
    "that movie was way too long", "okay so anyway as I was saying", "I will call you back after dinner",
    "tell him to move his truck", "my knee hurts when it rains", "hello is anybody there",
)  # fmt: skip
