# Prints what it is told to, and then does what it is told to.
#
#   say.sh OUT ERR stay         the texts are formats of printf %b
#   say.sh OUT ERR exit STATUS
#   say.sh OUT ERR kill SIGNAL
#   say.sh OUT ERR close        close stdout, and stay
#
# What stays ends by itself, should nobody end it.
printf %b "$2" >&2
printf %b "$1"
case $3 in
stay) exec sleep 60 ;;
close) exec sleep 60 >&- ;;
exit) exit "$4" ;;
kill) kill -s "$4" $$ ;;
esac
