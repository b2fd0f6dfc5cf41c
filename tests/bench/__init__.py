from tests.keys import use_keys_of_tests

use_keys_of_tests()
