#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The options stand once, in the program: README.md and the man page have the
flags, variables and defaults that `softmaxd --help` tells. So does the version:
every file that names it names that of `softmaxd --version`."""
import os
import re
import subprocess
import sys

SOFTMAXD = os.environ.get('SOFTMAXD', 'build/softmaxd')

# Where --help is short, the man page says it in full.
IN_FULL = {
    '1/4 of the cgroup or machine':
        "a quarter of the control group's limit or of the machine's memory",
    'TLS 1.2 and newer': 'TLS 1.3, and of TLS 1.2 what has forward secrecy',
}

VERSIONS = {
    'lib/softmax.h': r'#define SMX_VERSION "(.*)"',
    'openapi.yaml': r'^ +version: (\d\S*)$',
    'lib/softmax.3': r'^\.TH .*"libsoftmax (.*?)"',
    'server/softmaxd.8': r'^\.TH .*"softmaxd (.*?)"',
    'debian/changelog': r'\A\S+ \((.*?)\)',
    'CHANGELOG.md': r'\A(?:.|\n)*?^## \[(\d.*?)\]',
    'README.md': r'softmaxd:(\d[\w.]*)',
    'docs/operations.md': r'softmaxd:(\d[\w.]*)',
    'docker/Dockerfile': r'^ARG VERSION=(.*)$',
    'docker/kubernetes/kustomization.yaml': r'newTag: ([\w.]*)',
    'docker/kubernetes/kserve.yaml': r'image: softmaxd:(\S*)',
    'docker/kubernetes/service.yaml': r'image: softmaxd:(\S*)',
    'docker/kubernetes/sidecar/softmaxd.yaml': r'image: softmaxd:(\S*)',
    'docker/kubernetes/sidecar/kustomization.yaml': r'newTag: ([\w.]*)',
    'docker/kubernetes/chart/Chart.yaml': r'^(?:appV|v)ersion: (\S*)$',
}


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def ask(flag):
    return subprocess.run([SOFTMAXD, flag], check=True, capture_output=True,
                          text=True).stdout


def options():
    """flag -> default, in the order of --help; its variable follows."""
    found = {}
    for flag, rest in re.findall(r'^  --([a-z-]+)(.*?)(?=^  --|\Z)',
                                 ask('--help'), flags=re.M | re.S):
        variable, default = re.search(r'(\S+); default (.*)', rest).groups()
        assert variable == 'SOFTMAXD_' + flag.upper().replace('-', '_'), flag
        found[flag] = default
    assert len(found) > 20
    return found


def manual():
    """Sections of the man page, without its markup."""
    text = read('server/softmaxd.8').replace('\\-', '-')
    text = re.sub(r'\\f[RBIP]', '', text)
    parts = re.split(r'^\.SH (.*)$', text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def readme_has_the_options():
    found = options()
    text = read('README.md')
    table = re.search(r'^\| flag \| default .*?\n\n', text, re.M | re.S).group()
    named = set()
    for row in table.strip().splitlines()[2:]:
        flags, defaults, _ = re.split(r' *\| *', row.strip('| '), maxsplit=2)
        flags = re.findall(r'--([a-z-]+)', flags)
        named.update(re.findall(r'--([a-z-]+)', row))
        defaults = re.split(', ', defaults.replace('¼', '1/4'))
        for flag, default in zip(flags, defaults * len(flags)):
            if flag != 'healthcheck' and default != found.get(flag):
                yield (f'README.md: --{flag} has the default {default}, must '
                       f'be {found.get(flag)}')
    for flag in sorted(named ^ (set(found) | {'healthcheck'})):
        yield (f'README.md: --{flag} is '
               f'{"no option" if flag in named else "missing in the table"}')


def the_man_page_has_the_options():
    found = options()
    sections = manual()
    entries = {}
    for entry in re.split(r'^\.TP$', sections['OPTIONS'], flags=re.M)[1:]:
        head, text = entry.strip().split('\n', 1)
        for flag in re.findall(r'--([a-z-]+)', head):
            entries[flag] = re.sub(r'\s+', ' ',
                                   re.sub(r'^\.\w+ ', '', text, flags=re.M))
    if list(entries) != [*found, 'healthcheck']:
        yield (f'softmaxd.8: OPTIONS has {", ".join(entries)}, must have '
               f'{", ".join(found)}, healthcheck')
    for flag, default in found.items():
        default = IN_FULL.get(default, re.sub(r' s$', '', default))
        if default != 'none' and not re.search(
                rf'Default\b.*{re.escape(default)}', entries.get(flag, '')):
            yield f'softmaxd.8: --{flag} does not tell the default {default}'
    variables = re.findall(r'SOFTMAXD_\w+', sections['ENVIRONMENT'])
    must = ['SOFTMAXD_' + flag.upper().replace('-', '_') for flag in found]
    if variables != must:
        yield (f'softmaxd.8: ENVIRONMENT has {variables}, must have {must}')
    for section in 'EXIT STATUS', 'SIGNALS', 'FILES', 'SEE ALSO':
        if section not in sections:
            yield f'softmaxd.8: no section {section}'


def the_version_stands_once():
    version = ask('--version').split()[1]
    for path, pattern in VERSIONS.items():
        got = re.findall(pattern, read(path), flags=re.M)
        if not got or set(got) != {version}:
            yield f'{path}: got version {got}, must be {version}'


def main():
    failed = False
    for test in (readme_has_the_options, the_man_page_has_the_options,
                 the_version_stands_once):
        print(f'[ RUN      ] {test.__name__}')
        complaints = list(test())
        for complaint in complaints:
            print(complaint)
        print(f'[{"  FAILED  " if complaints else "       OK "}] '
              f'{test.__name__}')
        failed |= bool(complaints)
    return failed


if __name__ == '__main__':
    sys.exit(main())
