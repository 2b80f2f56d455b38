# complete.zsh FOLDER LINE...: types each line and a tab into an interactive zsh that finds completions in the folder,
# and prints what stands there then.
zmodload zsh/zpty

# Reads what the shell shows until it matches.
await() {
  local piece
  out=""
  until [[ $out == $~1 ]]; do zpty -r shell piece && out+=$piece; done
}

zpty -b shell zsh -f -i
zpty -w shell "PROMPT='' RPROMPT='' TERM=dumb; fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -D -u"
zpty -w shell "show() { print -r -- \"SHOWN:\$BUFFER:\"; BUFFER=''; zle accept-line }; zle -N show; bindkey '^X' show"
zpty -w shell 'print ready-$((1 + 1))'
await '*ready-2*'
shift
for line; do
  zpty -n -w shell "$line"$'\t\x18'
  await '*SHOWN:*:*'
  print -r -- ${${out##*SHOWN:}%%:*}
done
zpty -d shell
