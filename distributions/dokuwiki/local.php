<?php
$conf['tagline']        = 'A wiki of your own, for a while';
$conf['license']        = '';
$conf['useacl']         = 1;
$conf['superuser']      = '@admin';
$conf['autopasswd']     = 0;            // nothing can be mailed from here:
$conf['disableactions'] = 'resendpwd';  // who registers chooses a password
$conf['userewrite']     = 1;
$conf['useslash']       = 1;
$conf['trustedproxy']   = '';           // Apache has read Traefik's headers already
$conf['dnslookups']     = 0;
$conf['updatecheck']    = 0;
