#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the files of server/ hang together: no circle of rooms by what they
include nor of files by what they call. In server/ and in lib/, each: no
file-static function and no type of a file's own twice, and a map, README.md,
that names each file and no other; no guard of a header twice in all.

usage: structure.py FILE...
  GRAPH=1  print which file calls which instead
"""
import collections
import fnmatch
import os
import re
import sys

# Headers of which a file includes one, by instruction set, share their names.
TIERS = re.compile(r'_(avx2|avx512|sse2|neon|plain)$')


def stem(path):
    return os.path.splitext(path)[0]


def room(path):
    """Its folder; what lies in server/ itself is a room each."""
    folder = os.path.dirname(path)
    return stem(path) if folder == 'server' else folder


def code(text):
    """Without comments and without what is between quotes."""
    text = re.sub(r'/\*.*?\*/|//[^\n]*', '', text, flags=re.S)
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def declared(text):
    """Functions and objects that a header declares for others."""
    names = re.findall(r'^[a-z][^;{}=#]*?\b(\w+)\(', text, flags=re.M)
    return names + re.findall(r'^extern[^;(]*?\b(\w+)(?:\[[^\]]*\])*;', text,
                              flags=re.M)


def calls(texts):
    """By file, without its suffix: what others declare that it uses."""
    owner = {name: stem(path) for path, text in texts.items()
             if path.endswith('.h') for name in declared(text)}
    graph = collections.defaultdict(set)
    for path, text in texts.items():
        # A member of a struct is no use of what has its name.
        for name in re.findall(r'(?<!->)(?<!\.)\b\w+\b', text):
            if owner.get(name, stem(path)) != stem(path):
                graph[stem(path)].add(owner[name])
    return graph


def includes(sources):
    """By room: what its files include of others."""
    graph = collections.defaultdict(set)
    for path, text in sources.items():
        for name in re.findall(r'^#\s*include "([^"]+)"', text, flags=re.M):
            there = os.path.normpath(os.path.join(os.path.dirname(path), name))
            if there in sources and room(there) != room(path):
                graph[room(path)].add(room(there))
    return graph


def circles(graph):
    """Sets of those that reach one another (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in list(graph):
        if node not in index:
            visit(node)
    return found


def family(path):
    """Where a name may stand once."""
    if path.endswith('.h') and (TIERS.search(stem(path)) or
                                '_round' in stem(path)):
        return stem(path).split('_')[0]
    return path


def twice(texts, pattern):
    places = collections.defaultdict(dict)
    for path, text in texts.items():
        for name in re.findall(pattern, text, flags=re.M):
            places[name].setdefault(family(path), path)
    return {name: sorted(found.values()) for name, found in places.items()
            if len(found) > 1}


def lost(folder, paths):
    """What the map of a folder leaves out, and what it names in vain. It names
    files without suffix, folder or both, and by patterns."""
    with open(f'{folder}/README.md', encoding='utf-8') as file:
        words = re.findall(r'`([\w./*-]+)', file.read())
    files = [path for path in paths if path.startswith(folder + '/')]
    nouns = {re.sub(r'_tmpl$', '', os.path.basename(stem(path)))
             for path in files if not TIERS.search(stem(path))}
    named = {os.path.basename(stem(word)) for word in words}
    for noun in sorted(nouns):
        if not any(fnmatch.fnmatch(noun, pattern) for pattern in named):
            yield f'{folder}/README.md does not name {noun}'
    names = {os.path.basename(path) for path in paths}
    for word in sorted({word for word in words if word.endswith(('.c', '.h'))}):
        if not fnmatch.filter(names, os.path.basename(word)):
            yield f'{folder}/README.md names {word}, which is not there'


def main(paths):
    sources = {}
    for path in paths:
        with open(path, encoding='utf-8') as file:
            sources[path] = file.read()
    texts = {path: code(text) for path, text in sources.items()}
    server = {path: text for path, text in texts.items()
              if path.startswith('server/') and path != 'server/main.c'}
    graph = calls(server)
    if os.environ.get('GRAPH'):
        for name in sorted(graph):
            print(name, '->', *sorted(graph[name]))
        return 0
    complaints = [
        'a circle of rooms: ' + ', '.join(found) for found in
        circles(includes({path: sources[path] for path in server}))]
    complaints += ['a circle of files: ' + ', '.join(found)
                   for found in circles(graph)]
    library = {path: text for path, text in texts.items()
               if path.startswith('lib/')}
    statics = (r'^(?:static|INLINE)\s+(?:inline\s+)?'
               r'(?!_Atomic|_Thread_local|__attribute__)'
               r'[^=;{}()]*?\b(\w+)\(')
    types = r'^(?:struct|enum|union) (\w+)\s*{'
    for what, found in (
            ('a guard', twice(texts, r'^#ifndef (\w+_H)$')),
            ('a static function', twice(server, statics)),
            ('a static function', twice(library, statics)),
            ('a type', twice(server, types)),
            ('a type', twice(library, types))):
        complaints += [f'{what} twice: {name} in ' + ', '.join(places)
                       for name, places in sorted(found.items())]
    complaints += [*lost('server', paths), *lost('lib', paths)]
    for complaint in complaints:
        print('structure:', complaint)
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
