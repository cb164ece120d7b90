"""faker_people.py: people a second by Faker, zu_ZA, six usual fields.

The first thousand are not counted: they fill Faker's caches.
usage: faker_people.py PEOPLE
"""
import sys
import time

from faker import Faker

fake = Faker("zu_ZA")
Faker.seed(42)


def person():
    return (fake.name(), fake.ssn(), fake.date_of_birth(),
            fake.address(), fake.phone_number(), fake.email())


for _ in range(1000):
    person()
people = int(sys.argv[1])
began = time.perf_counter()
for _ in range(people):
    person()
print(round(people / (time.perf_counter() - began)))
