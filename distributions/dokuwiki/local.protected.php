<?php
// The wiki is called as its address says, "my-wiki-<id>.…", until its administrator calls it otherwise.
// This file is read last, and the configuration manager does not rewrite it. It looks for settings
// with a regular expression, and would show the title as locked if it found it assigned here.
if (
    'DokuWiki' === $conf['title']
    && preg_match(
        '/^([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)-[a-kmnp-z2-9]{12}\./',
        strtolower($_SERVER['HTTP_HOST'] ?? ''),
        $found
    )
) {
    $conf = ['title' => ucfirst(preg_replace('/-+/', ' ', $found[1]))] + $conf;
}
