<?php
$plugins['extension']  = 0;  // both call servers on the internet
$plugins['popularity'] = 0;
