<?php
$databases['default']['default'] = [
  'driver' => 'sqlite',
  'namespace' => 'Drupal\\sqlite\\Driver\\Database\\sqlite',
  'autoload' => 'core/modules/sqlite/src/Driver/Database/sqlite/',
  'database' => '/srv/drupal/data/drupal.sqlite',
  'prefix' => '',
];
// Each instance makes its own when it starts; the installation, at build time, has a passing one.
$salt = '/srv/drupal/data/salt';
$settings['hash_salt'] = is_readable($salt) ? file_get_contents($salt) : 'build';
$settings['config_sync_directory'] = '/srv/drupal/config';
$settings['file_private_path'] = '/srv/drupal/data/private';
$settings['skip_permissions_hardening'] = TRUE;
// The site answers at whatever name Traefik sends here.
$settings['trusted_host_patterns'] = ['^[a-z0-9.-]+$'];
// It is called as its address says, "my-site-<id>.…". What is rendered under one name is cached for that
// name alone: see services.yml.
$host = strtolower($_SERVER['HTTP_HOST'] ?? '');
if (preg_match('/^([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)-[a-kmnp-z2-9]{12}\./', $host, $found)) {
  $config['system.site']['name'] = ucfirst(preg_replace('/-+/', ' ', $found[1]));
}
$settings['container_yamls'][] = __DIR__ . '/services.yml';
