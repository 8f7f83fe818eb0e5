@echo off
rem hawser with the Deno that lies beside it, wherever the folder is.
setlocal
set DENO_NO_UPDATE_CHECK=1
"%~dp0deno.exe" run @FLAGS@ "%~dp0bundle\main.js" %*
