<?php
// Debian's SimplePie, which shows feeds in pages, is older than the namespace DokuWiki knows it by.
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'SimplePie\\')) {
        class_alias(str_replace(['SimplePie\\SimplePie', '\\'], ['SimplePie', '_'], $class), $class);
    }
});
